"""What is searched for, when it is compared and where: objective, schedule and space of a population."""

from dataclasses import dataclass
from enum import StrEnum

from pbt_operator.core.distributions import Distribution


class Goal(StrEnum):
    """Which way the objective's metric is better."""

    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that is compared. All signs are applied here and nowhere else."""

    metric: str
    goal: Goal = Goal.MAXIMIZE
    target: float | None = None

    def utility(self, score: float) -> float:
        """The score with its sign such that more is better."""
        return score if self.goal is Goal.MAXIMIZE else -score

    def reached(self, score: float) -> bool:
        """Whether `score` meets the target."""
        return self.target is not None and self.utility(score) >= self.utility(self.target)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps and rounds. Round r compares the members at step r x interval_steps; the last one at total_steps.

    Attributes:
        max_lead: how many rounds beyond the newest decided one a member may have reported and train on.
    """

    total_steps: int
    interval_steps: int
    burn_in_steps: int = 0
    quorum_percent: int = 75
    straggler_timeout_seconds: float = 600
    progress_deadline_seconds: float = 3600
    max_lead: int = 2

    @property
    def last_round(self) -> int:
        """The round at the end, which decides nothing."""
        return -(-self.total_steps // self.interval_steps)

    def step_of(self, number: int) -> int:
        """The step at which round `number` compares."""
        return min(number * self.interval_steps, self.total_steps)

    def decides(self, number: int) -> bool:
        """Whether round `number` may exploit: after burn-in, before the end."""
        return self.burn_in_steps < self.step_of(number) < self.total_steps


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One dimension of the search; with `explored` off it is sampled once and copied with the weights."""

    name: str
    space: Distribution
    explored: bool = True
