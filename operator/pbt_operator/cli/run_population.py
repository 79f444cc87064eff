"""`pbt run`: a population on this machine."""

import sys
from pathlib import Path

from pbt_contract.errors import PbtError
from pbt_contract.text import one_line
from pbt_operator.cli.output import Mistake, complain, say
from pbt_operator.control.ownership import AnotherExperiment
from pbt_operator.core.status import PopulationPhase, Result, SecondsSpent
from pbt_operator.core.time_words import spent_text
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.load import load
from pbt_operator.manifest.population import Population
from pbt_operator.runners import RUNNERS, runner_of
from pbt_operator.runners.display import display_for, short
from pbt_operator.runners.foreground import ForegroundRunner, Stopped, WaitingPods, run_to_end

STOPPED = 130


def run_population(file: Path, directory: str, parallelism: int | None, *, runner: str = "local") -> int:
    """Runs the manifest and returns the exit code: 0 Complete, 1 Failed, 2 a bad manifest, 130 stopped."""
    try:
        population = load(file)
        with _runner(runner).open(
            population, source=str(file), base=directory, parallelism=parallelism
        ) as opened:
            result = _run(opened, population, source=str(file))
    except ManifestError as error:
        print(error, file=sys.stderr)
        return 2
    except Mistake:
        raise
    except PbtError as error:
        complain(str(error))
        return 1
    except Stopped:
        print("stopped; the same command goes on from here")
        return STOPPED
    for line in summary(result, location=f"{directory}/{population.metadata.name}").splitlines():
        say(line)
    return 0 if result.phase is PopulationPhase.COMPLETE else 1


def _runner(name: str) -> type[ForegroundRunner[WaitingPods]]:
    known = [known for known, registered in RUNNERS.items() if registered.command == "run"]
    if name not in known:
        raise Mistake(f"`pbt run` has no runner {name}; it has {', '.join(known)}")
    found: type[ForegroundRunner[WaitingPods]] = runner_of(name)
    return found


def _run(runner: ForegroundRunner[WaitingPods], population: Population, *, source: str) -> Result:
    display = display_for(sys.stdout)
    try:
        return run_to_end(runner, population, display)
    except AnotherExperiment as error:
        remedy = "give the population another name, or run it in another --dir"
        told = f"changed since {error.location} was begun; it identifies the experiment: {remedy}"
        raise ManifestError(source, [Problem((path,), told) for path in error.changed]) from error
    except ManifestError as error:
        raise ManifestError(source, error.problems) from error
    finally:
        display.close()


def summary(result: Result, *, location: str) -> str:
    """How it ended, and what to look at next."""
    told = f", {one_line(result.message)}" if result.message else ""
    lines = [f"{result.phase.value}: {result.reason}{told}"]
    if result.best is not None:
        values = ", ".join(f"{name} {short(value)}" for name, value in result.best.hyperparameters.items())
        by = f"member {result.best.member} at step {result.best.step}"
        lines.append(f"best: {short(result.best.score)} by {by}, {values}")
    lines.append(f"{result.rounds} rounds, {result.exploits} exploits, {result.births} births")
    if isinstance(result.seconds, SecondsSpent):
        lines.append(f"process time: {spent_text(result.seconds)}")
    commands = ("report", "schedule", "fetch") if result.best else ("status",)
    lines += [f"  pbt {command} {location}" for command in commands]
    if result.can_be_retried:
        lines.append("the same command continues it, once the reason is gone")
    return "\n".join(lines)
