"""What a simulated trainer trains: a state that is plain JSON, and three functions of it."""

from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple, Protocol

from pbt_contract.records import Ending, Value

State = dict[str, Any]
Assigned = Mapping[str, Value]


class TrainerCrashed(Exception):
    """Raised by a task whose process is to end with an exit code; 1 where none is given."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Leaves(NamedTuple):
    """How a script ends at a due step, before the last one.

    Attributes:
        ending: what its records say; None where they say nothing, as those of trainers in other languages.
        code: the exit code of its process.
    """

    ending: Ending | None
    code: int = 0


class Trainable(Protocol):
    """A task. Randomness comes only from the generator that is handed in.

    It may have `leaves(member, step) -> Leaves | None` too: whether its script ends after the report of a due step. And
    `fate(member, step) -> TrainerCrashed | None`: whether a member crashes before that step, whatever it trains with.
    """

    def build(self, hyperparameters: Assigned, rng: Random) -> State:
        """The state before the first step."""
        ...

    def train(self, state: State, hyperparameters: Assigned, step: int, rng: Random) -> None:
        """Does step number `step`, from 1, in place."""
        ...

    def evaluate(self, state: State, hyperparameters: Assigned, rng: Random) -> float | list[float]:
        """The objective's metric."""
        ...
