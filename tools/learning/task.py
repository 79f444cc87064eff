"""What a task of the benchmark is: something that trains, whose score is known exactly or by a fresh evaluation."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from pbt_contract.records import Value
from pbt_operator.core.search import Hyperparameter

Values = Mapping[str, Value]


class Task(ABC):
    """Something to train. Higher scores are better; all randomness comes from the generator that is handed in.

    Attributes:
        name: in the registry and in results.
        total_steps: of one member.
        interval_steps: between two comparisons.
        space: what is searched.
        defaults: what a script's author would have set.
        rates: the hyperparameters that a script's own schedule anneals.
        start: the true score of the untrained start, the 0 of the figure.
        optimum: the best true score that is known, the 1 of the figure.
        noise: standard deviation of the evaluations in the noisy form: about what one interval gains.
        draws: the purposes, of `train` and `evaluate`, whose generator is used. To seed one costs more than many a
            toy's training.
    """

    name: ClassVar[str]
    total_steps: ClassVar[int]
    interval_steps: ClassVar[int]
    space: tuple[Hyperparameter, ...]
    defaults: Values
    rates: tuple[str, ...]
    start: float
    optimum: float
    noise: float
    draws: frozenset[str] = frozenset()

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        """A task.

        Args:
            instance: which one of a random family, such as a split of the data; equal for all that are compared.
            published: the form of the literature, whose figures are known; an optimum may lie at a bound there.
        """
        self.instance, self.published = instance, published

    def initial(self, member: int, rng: Random) -> Values:
        """What a member's first configuration must be; what it doesn't name is drawn from the space."""
        return {}

    @abstractmethod
    def build(self, rng: Random) -> Any:
        """The state before the first step."""

    def copy(self, state: Any) -> Any:
        """An independent copy of a state."""
        return dict(state)

    @abstractmethod
    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        """Trains from step `start` to step `stop`, in place."""

    @abstractmethod
    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        """What the state is worth: exactly, or by an evaluation that nothing was chosen by."""

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        """What training reports: one evaluation or several. NaN where it has diverged."""
        return [self.true_score(state, hyperparameters, rng)]

    @abstractmethod
    def schedule(self, step: int) -> Values:
        """The best schedule by hand: what to train with from this step on."""

    def fails(self, hyperparameters: Values) -> bool:
        """Whether training with these gives NaN, in the failing form: the upper fifth of the first dimension."""
        first = next(h for h in self.space if h.space.axis()["kind"] != "choice")
        return position(first, hyperparameters[first.name]) > 0.8


def position(hyperparameter: Hyperparameter, value: Value) -> float:
    """Where a number lies in its space, on the space's own scale: 0 at the lower bound, 1 at the upper one."""
    axis = hyperparameter.space.axis()
    low, high = axis["min"], axis["max"]
    match axis["kind"]:
        case "log":
            return math.log(value / low) / math.log(high / low)
        case "oneMinus":
            return math.log((1 - low) / (1 - value)) / math.log((1 - low) / (1 - high))
        case _:
            return (value - low) / (high - low)
