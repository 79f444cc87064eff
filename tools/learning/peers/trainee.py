"""One configuration in training, within the steps that all of a run may take together: what every peer schedules."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Self

from learning.population import Outcome, finite_mean, generator
from learning.task import Task, Values

_UNUSED = Random(0)


@dataclass
class Budget:
    """Steps that all trainees of a run may take together: as many as the members of a population take.

    Attributes:
        total: at the start.
        left: of them.
    """

    total: int
    left: int

    @classmethod
    def of(cls, task: Task, members: int, *, times: int = 1) -> Self:
        """What so many members take, each from the first step to the last, or a multiple of that."""
        total = times * members * task.total_steps
        return cls(total, total)

    @property
    def spent(self) -> int:
        """The steps that were trained."""
        return self.total - self.left


class Checkpoint(NamedTuple):
    """A copy of a state, and its step."""

    state: Any
    step: int

    def __repr__(self) -> str:
        """Short: Ray words a log line at each comparison, whether it is logged or not."""
        return f"<step {self.step}>"


class Trainee:
    """A configuration with its state. It draws what a member of our populations of the same number and seed draws.

    Attributes:
        task: what is trained.
        number: from 0.
        hyperparameters: what the next interval is trained with.
        step: that the state is at.
        score: what was observed last, NaN where training had diverged; None before the first interval.
    """

    def __init__(
        self, task: Task, number: int, hyperparameters: Values, *, seed: int, budget: Budget
    ) -> None:
        self.task, self.number, self.hyperparameters = task, number, hyperparameters
        self.step, self.score = 0, None
        self._seed, self._budget = seed, budget
        self._state = task.build(generator(seed, number, 0, "build"))
        self._visits: Counter[int] = Counter()

    step: int
    score: float | None

    @property
    def done(self) -> bool:
        """Whether it is at its last step."""
        return self.step >= self.task.total_steps

    def train(self) -> float:
        """Trains for an interval, or for what is left of the budget, and evaluates: the mean of its evaluations."""
        task, start = self.task, self.step
        self.step = min(start + task.interval_steps, task.total_steps, start + self._budget.left)
        self._budget.left -= self.step - start
        task.advance(self._state, self.hyperparameters, start, self.step, self._generator("train"))
        evaluations = task.evaluate(self._state, self.hyperparameters, self._generator("evaluate"))
        self._visits[self.step] += 1
        score = finite_mean(evaluations)
        self.score = math.nan if score is None else score
        return self.score

    def checkpoint(self) -> Checkpoint:
        """Of now."""
        return Checkpoint(self.task.copy(self._state), self.step)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continues from a copy of another one's state."""
        self._state, self.step = self.task.copy(checkpoint.state), checkpoint.step

    def true_score(self) -> float:
        """By a fresh evaluation, which nothing was chosen by."""
        rng = generator(self._seed, self.number, self.step, "test")
        return self.task.true_score(self._state, self.hyperparameters, rng)

    def _generator(self, purpose: str) -> Random:
        """A member's own. One that went back draws something else at its second time at a step."""
        if purpose not in self.task.draws:
            return _UNUSED
        again = self._visits[self.step]
        return generator(self._seed, self.number, self.step, f"{purpose}/{again}" if again else purpose)


def best_of(trainees: Iterable[Trainee]) -> Trainee | None:
    """The one with the best score of those observed last, as Tune's `get_best_result` names it; none if all are NaN."""
    finite = [one for one in trainees if one.score is not None and math.isfinite(one.score)]
    return max(finite, key=lambda one: one.score or 0.0, default=None)


def outcome(
    best: Trainee | None, *, task: Task, budget: Budget, replaced: int, curve: Iterable[float]
) -> Outcome:
    """What a run has come to, by a fresh evaluation of the trainee that the tool names as best.

    Where it names none, the score is that of the untrained start, as for our populations.
    """
    return Outcome(
        score=task.start if best is None else best.true_score(),
        observed=math.nan if best is None or best.score is None else best.score,
        replaced=replaced,
        steps=budget.spent,
        curve=tuple(curve),
    )
