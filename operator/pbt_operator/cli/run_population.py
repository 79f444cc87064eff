"""`pbt run`: a population on this machine."""

import sys
from pathlib import Path

from pbt_contract.errors import PbtError
from pbt_operator.cli.output import complain, say
from pbt_operator.core.status import Result
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import load
from pbt_operator.runners.local.display import display_for, short
from pbt_operator.runners.local.runner import LocalRunner, Stopped, exit_code
from pbt_operator.runners.local.warden_link import WardenLost

STOPPED = 130


def run_population(file: Path, directory: str, parallelism: int | None) -> int:
    """Runs the manifest and returns the exit code: 0 Complete, 1 Failed, 2 a bad manifest, 130 stopped."""
    try:
        population = load(file)
        runner = LocalRunner(
            population,
            source=str(file),
            base=directory,
            parallelism=parallelism,
            display=display_for(sys.stdout),
        )
        result = runner.run()
    except ManifestError as error:
        print(error, file=sys.stderr)
        return 2
    except (PbtError, WardenLost) as error:
        complain(str(error))
        return 1
    except Stopped:
        print("stopped; the same command goes on from here")
        return STOPPED
    for line in summary(result, location=f"{directory}/{population.metadata.name}").splitlines():
        say(line)
    return exit_code(result)


def summary(result: Result, *, location: str) -> str:
    """How it ended, and what to look at next."""
    lines = [f"{result.phase.value}: {result.reason}"]
    if result.best is not None:
        values = ", ".join(f"{name} {short(value)}" for name, value in result.best.hyperparameters.items())
        by = f"member {result.best.member} at step {result.best.step}"
        lines.append(f"best: {short(result.best.score)} by {by}, {values}")
    lines.append(f"{result.rounds} rounds, {result.exploits} exploits, {result.births} births")
    commands = ("report", "schedule", "fetch") if result.best else ("status",)
    lines += [f"  pbt {command} {location}" for command in commands]
    return "\n".join(lines)
