"""The environment contract: a process's place in a population, as one value and as PBT_* variables."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from pbt_contract.errors import UsageError
from pbt_contract.records import Value

TERMINATION_LOG = "PBT_TERMINATION_LOG"
"""The variable that names the container's termination log, whose end the kubelet puts into the pod's status."""

HYPERPARAMETER = "PBT_HP_"
"""What the variable of a single hyperparameter begins with."""


def variable_of(name: str) -> str:
    """The variable of one hyperparameter: `PBT_HP_` and its name, with `_` for what a shell's names can't hold."""
    return HYPERPARAMETER + name.replace(".", "_").replace("-", "_")


def sharing_variables(names: Iterable[str]) -> dict[str, list[str]]:
    """The variables that more than one of these names would have, with the names: neither gets it."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(variable_of(name), []).append(name)
    return {variable: each for variable, each in found.items() if len(each) > 1}


def hyperparameter_variables(hyperparameters: Mapping[str, Value]) -> dict[str, str]:
    """Each hyperparameter's text by its name, for a command's line: `train --lr $PBT_HP_lr`.

    A text stands as it is, anything else as in JSON. Left out is what a variable can't hold: of names that share one
    all of them, and texts with a NUL.
    """
    shared = {name for names in sharing_variables(hyperparameters).values() for name in names}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in hyperparameters.items()
    }
    return {name: text for name, text in texts.items() if name not in shared and "\0" not in text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One process's place in a population.

    Attributes:
        member: whose birth the process is for.
        incarnation: which of its births.
        total_steps: the last step.
        interval_steps: a report is due at each multiple of it.
        seed: the population's.
        location: URL of the population's place in the object store, as `open_store` takes it.
        pod: unique for each pod (or process slot); claims carry it.
        hyperparameters: as the birth has them, for trainers in other languages; the SDK reads the birth.
        objective: the metric that every report must have.
        population: its name; None where the runner that started the process doesn't tell it.
        in_place: whether the process looks for its successor and takes it over.
        shared_slots: whether fewer members may train at once than there are; the process may then be asked to continue
            with another birth.
        poll_seconds: between two looks for a successor.
        grace_seconds: what is left for a save after SIGTERM.
        store_patience_seconds: how long a store that can't be reached is tried before the process gives up.
        prefetched: the folder that an earlier image of this process left its downloads in.
        started_anew: why an earlier image of this process couldn't continue with the birth; None where there was none.
        nonce: by which that image claimed the birth, for this one.
        idle_since: when that image did its last step, in seconds of the monotonic clock.
        waited: seconds that it waited at a gate and has not recorded.
        bell: an abstract UNIX datagram socket, by its name without the leading NUL: one byte after the claim and
            after each committed record wakes the runner of this machine. None where nobody listens.
    """

    location: str
    member: int
    incarnation: int
    pod: str
    objective: str
    total_steps: int
    interval_steps: int
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    population: str | None = None
    in_place: bool = False
    shared_slots: bool = False
    poll_seconds: float = 2.0
    grace_seconds: float = 30.0
    store_patience_seconds: float = 3600.0
    prefetched: str | None = None
    started_anew: str | None = None
    nonce: str | None = None
    bell: str | None = None
    idle_since: float | None = None
    waited: float | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """Reads the variables; None where there is no PBT_LOCATION: the script runs alone.

        Raises:
            UsageError: a variable is missing or malformed.
        """
        if not environ.get(_VARIABLES["location"].name):
            return None
        given: dict[str, Any] = {}
        for known in fields(cls):
            variable = _VARIABLES[known.name]
            text = environ.get(variable.name)
            if text is not None:
                given[known.name] = variable.parse(text)
            elif known.default is MISSING and known.default_factory is MISSING:
                raise UsageError(f"{variable.name} is not set, though {_VARIABLES['location'].name} is")
        return cls(**given)

    def to_environment(self) -> dict[str, str]:
        """The variables that `from_environment` reads this from."""
        values = {known.name: getattr(self, known.name) for known in fields(self)}
        single = hyperparameter_variables(self.hyperparameters)
        return {
            **{_VARIABLES[name].name: _text(name, each) for name, each in values.items() if each is not None},
            **{variable_of(name): text for name, text in single.items()},
        }


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    convert: Callable[[str], Any]
    expected: str

    def parse(self, text: str) -> Any:
        try:
            return self.convert(text)
        except (KeyError, ValueError) as error:
            raise UsageError(f"{self.name}={text!r} is not {self.expected}") from error


_RESTARTS = {"Recreate": False, "InPlace": True}
_SLOTS = {"Own": False, "Shared": True}
_WORDS = {"in_place": _RESTARTS, "shared_slots": _SLOTS}


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise ValueError(text)
    return number


def _object(text: str) -> dict[str, Value]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def _text(name: str, value: Any) -> str:
    if name in _WORDS:
        return next(word for word, meant in _WORDS[name].items() if meant is value)
    return json.dumps(dict(value), sort_keys=True) if isinstance(value, Mapping) else str(value)


_NUMBER, _SECONDS = "a whole number", "a number of seconds"
_VARIABLES = {
    "location": _Variable("PBT_LOCATION", str, "a URL"),
    "member": _Variable("PBT_MEMBER", _whole, _NUMBER),
    "incarnation": _Variable("PBT_INCARNATION", _whole, _NUMBER),
    "pod": _Variable("PBT_POD", str, "a name"),
    "objective": _Variable("PBT_OBJECTIVE", str, "the name of a metric"),
    "total_steps": _Variable("PBT_TOTAL_STEPS", _whole, _NUMBER),
    "interval_steps": _Variable("PBT_INTERVAL_STEPS", _whole, _NUMBER),
    "hyperparameters": _Variable("PBT_HYPERPARAMETERS", _object, "a JSON object"),
    "seed": _Variable("PBT_SEED", int, _NUMBER),
    "population": _Variable("PBT_POPULATION", str, "a name"),
    "in_place": _Variable("PBT_RESTART", _RESTARTS.__getitem__, "Recreate or InPlace"),
    "shared_slots": _Variable("PBT_SLOTS", _SLOTS.__getitem__, "Own or Shared"),
    "poll_seconds": _Variable("PBT_POLL_SECONDS", _seconds, _SECONDS),
    "grace_seconds": _Variable("PBT_GRACE_SECONDS", _seconds, _SECONDS),
    "store_patience_seconds": _Variable("PBT_STORE_PATIENCE_SECONDS", _seconds, _SECONDS),
    "prefetched": _Variable("PBT_PREFETCHED", str, "a folder"),
    "started_anew": _Variable("PBT_STARTED_ANEW", str, "a sentence"),
    "nonce": _Variable("PBT_NONCE", str, "a text"),
    "bell": _Variable("PBT_BELL", str, "a name"),
    "idle_since": _Variable("PBT_IDLE_SINCE", _seconds, _SECONDS),
    "waited": _Variable("PBT_WAITED", _seconds, _SECONDS),
}

OF_THIS_IMAGE = tuple(
    _VARIABLES[name].name for name in ("prefetched", "started_anew", "nonce", "idle_since", "waited")
)
"""Variables that one image of a process passes to the next: no later one may see them."""
