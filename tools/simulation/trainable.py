"""What a simulated trainer trains: a state that is plain JSON, and three functions of it."""

from collections.abc import Mapping
from random import Random
from typing import Any, Protocol

from pbt_contract.records import Value

State = dict[str, Any]
Assigned = Mapping[str, Value]


class TrainerCrashed(Exception):
    """Raised by a task whose process is to end with an exit code; 1 where none is given."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Trainable(Protocol):
    """A task. Randomness comes only from the generator that is handed in."""

    def build(self, hyperparameters: Assigned, rng: Random) -> State:
        """The state before the first step."""
        ...

    def train(self, state: State, hyperparameters: Assigned, step: int, rng: Random) -> None:
        """Does step number `step`, from 1, in place."""
        ...

    def evaluate(self, state: State, hyperparameters: Assigned, rng: Random) -> float | list[float]:
        """The objective's metric."""
        ...
