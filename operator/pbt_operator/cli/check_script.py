"""`pbt check`: starts a script as `pbt run` would, for as long as it takes to see what becomes of a member."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pbt_contract.check import Order
from pbt_contract.records import Birth, Cause, Value
from pbt_operator.cli.check_lines import Asked, Checked, is_wrong
from pbt_operator.cli.output import Mistake, complain
from pbt_operator.cli.script_verdicts import judged
from pbt_operator.cli.show_check import progress, show
from pbt_operator.core.chance import chance
from pbt_operator.core.explore import initial
from pbt_operator.core.spec import Copy, Restart, Spec
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.load import load, parse
from pbt_operator.manifest.population import Population, to_core
from pbt_operator.manifest.template import with_trainer
from pbt_operator.runners.local.trials import Ended, Trials

_BAD_MANIFEST, _STOPPED = 2, 130
_DRAWS = 20
_MOST_SUSPECTS = 8
_MANIFESTS = {".yaml", ".yml"}


def check_script(
    command: Sequence[str],
    *,
    file: Path | None,
    given: Sequence[str],
    steps: int,
    seconds: float,
    as_json: bool,
) -> int:
    """Prints what was found and returns the exit code: 1 for an error, 2 for one of the manifest, 130 by Ctrl-C.

    Args:
        command: the script and its arguments; empty where the manifest's command is meant.
        file: the manifest, if there is one.
        given: hyperparameters, `lr=0.1`.
        steps: after so many a report is due, if not earlier.
        seconds: that each process may take.
        as_json: for programs.

    Raises:
        Mistake: that can't be checked.
    """
    try:
        population, source = _population(command, file)
        asked = _asked(population, _values(given), has_manifest=file is not None, steps=steps)
        with Trials.open(population, source=source) as trials, progress() as tell:
            checked = _Check(trials, asked, seconds=seconds, tell=tell).run()
    except ManifestError as error:
        problems = error.problems if file else [Problem((), problem.text) for problem in error.problems]
        print(ManifestError(error.source, problems), file=sys.stderr)
        return _BAD_MANIFEST
    except KeyboardInterrupt:
        complain("stopped; nothing is left of it")
        return _STOPPED
    lines = judged(checked)
    show(checked, lines, name=command[0] if command else source, as_json=as_json)
    return 1 if is_wrong(lines) else 0


class _Check:
    """One script's processes."""

    def __init__(self, trials: Trials, asked: Asked, *, seconds: float, tell: Callable[[str], None]) -> None:
        self._trials, self._asked, self._seconds, self._tell = trials, asked, seconds, tell
        self._members = 0

    def run(self) -> Checked:
        """A process that reports, one that is born of its checkpoint, and more only where that one doesn't fit."""
        self._tell("a member trains to its first report")
        first = self._start(self._asked.hyperparameters)
        if first.findings is None or not first.findings.done or first.report is None:
            return Checked(self._asked, first)
        changed = self._explored(first)
        self._tell("a newborn continues from its checkpoint")
        second = self._newborn(first, changed)
        is_born = second.findings is not None and second.findings.done
        suspects = {} if is_born else self._suspects(first, changed)
        alone: dict[str, Ended] = {}
        if len(suspects) > 1 and not second.late:
            self._tell("it can't: which hyperparameter is why?")
            alone = {name: self._newborn(first, {name: value}) for name, value in suspects.items()}
        elif suspects:
            alone = dict.fromkeys(suspects, second)
        return Checked(self._asked, first, second, alone, changed)

    def _explored(self, first: Ended) -> dict[str, Value]:
        """What a newborn may have otherwise than its donor: what is explored, and all where only weights are copied."""
        assert first.findings is not None
        return {
            swap.name: swap.tried
            for swap in first.findings.swaps
            if swap.tried is not None and swap.name not in self._asked.kept
        }

    @staticmethod
    def _suspects(first: Ended, changed: Mapping[str, Value]) -> dict[str, Value]:
        """The changes that a running process can't follow: a fresh one may make objects of another form of them."""
        assert first.findings is not None
        anew = [swap.name for swap in first.findings.swaps if swap.why and swap.name in changed]
        return {name: changed[name] for name in anew[:_MOST_SUSPECTS]}

    def _newborn(self, first: Ended, changed: Mapping[str, Value]) -> Ended:
        assert first.findings is not None
        return self._start({**first.findings.hyperparameters, **changed}, donor=first)

    def _start(self, hyperparameters: Mapping[str, Value], *, donor: Ended | None = None) -> Ended:
        member, self._members = self._members, self._members + 1
        source = donor.report.source if donor is not None and donor.report is not None else None
        birth = Birth(
            member=member,
            incarnation=1,
            cause=Cause.INITIAL if source is None else Cause.EXPLOIT,
            hyperparameters=dict(hyperparameters),
            start_step=source.step if source else 0,
            source=source,
            seed_round=1 if source else 0,
            reason="checked" if source is None else "checked as a newborn",
        )
        return self._trials.run(birth, self._asked.order, seconds=self._seconds)


def _population(command: Sequence[str], file: Path | None) -> tuple[Population, str]:
    """What is started, as a manifest, and what messages call it."""
    if command and Path(command[0]).suffix in _MANIFESTS:
        raise Mistake(f"{command[0]} is a manifest: pbt check -f {command[0]}")
    if file is not None:
        population = load(file)
        return (_with_command(population, command) if command else population), str(file)
    if not command:
        raise Mistake("give a script or a manifest: pbt check train.py, or pbt check -f population.yaml")
    container = {"name": "trainer", "command": ["python", *command]}
    spec = {
        "members": 2,
        "parallelism": 1,
        "objective": {"metric": "any", "goal": "Maximize"},
        "schedule": {"totalSteps": 2, "intervalSteps": 1},
        "hyperparameters": [{"name": "any", "uniform": {"min": 0, "max": 1}}],
        "template": {"spec": {"containers": [container]}},
    }
    tree = {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": "check"},
        "spec": spec,
    }
    return parse(tree, source=command[0]), command[0]


def _with_command(population: Population, command: Sequence[str]) -> Population:
    """The manifest with another script in its trainer's place."""
    script = {"command": ["python", *command], "args": []}
    changed = with_trainer(population.spec.template, lambda trainer: {**trainer, **script})
    return population.model_copy(update={"spec": population.spec.model_copy(update={"template": changed})})


def _asked(population: Population, given: Mapping[str, Value], *, has_manifest: bool, steps: int) -> Asked:
    if not has_manifest:
        return Asked(order=Order(steps=steps, has_manifest=False), hyperparameters=dict(given))
    spec = to_core(population.spec)
    values = {**initial(spec, member=0), **_admitted(given, spec)}
    changes = {h.name: _another(h.name, values[h.name], spec) for h in spec.hyperparameters}
    known = {name: value for name, value in changes.items() if value is not None}
    copies_values = spec.exploit.copy is not Copy.WEIGHTS
    return Asked(
        order=Order(steps=steps, has_manifest=True, changes=known),
        hyperparameters=values,
        kept=frozenset(h.name for h in spec.hyperparameters if not h.explored and copies_values),
        metric=spec.objective.metric,
        recreates=spec.restart is Restart.RECREATE,
    )


def _admitted(given: Mapping[str, Value], spec: Spec) -> dict[str, Value]:
    spaces = {h.name: h.space for h in spec.hyperparameters}
    found = {}
    for name, value in given.items():
        if name not in spaces:
            raise Mistake(
                f"--set {name}: the manifest has no such hyperparameter; it has {', '.join(spaces)}"
            )
        try:
            found[name] = spaces[name].typed(spaces[name].admit(value))
        except ValueError as error:
            raise Mistake(f"--set {name}={value}: {error}") from error
    return found


def _another(name: str, value: Value, spec: Spec) -> Value | None:
    """Another value of a hyperparameter's space; None where it has but one."""
    space = next(h.space for h in spec.hyperparameters if h.name == name)
    drawn = (space.sample(chance(spec.seed, 0, 1, f"check/{name}/{draw}")) for draw in range(_DRAWS))
    return next((each for each in drawn if each != value), None)


def _values(given: Sequence[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not (name and equals):
            raise Mistake(f"--set {each}: it is NAME=VALUE, such as lr=0.1")
        found[name] = _value(text)
    return found


def _value(text: str) -> Value:
    """As JSON has it; else a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
