"""What a population is to do, as the decisions need it. `pbt_operator.manifest` builds it from a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pbt_contract.records import Value
from pbt_operator.core.search import Hyperparameter, Objective, Schedule


class Copy(StrEnum):
    """What a loser takes from its donor."""

    BOTH = "Both"
    WEIGHTS = "Weights"
    HYPERPARAMETERS = "Hyperparameters"


class Restart(StrEnum):
    """How a birth reaches its process."""

    RECREATE = "Recreate"
    IN_PLACE = "InPlace"


@dataclass(frozen=True, slots=True)
class Truncation:
    """The worst `percent` copy uniformly drawn members of the best as many."""

    percent: float = 25


@dataclass(frozen=True, slots=True)
class BinaryTournament:
    """Each member draws one other and copies it if that one is better."""


@dataclass(frozen=True, slots=True)
class TTest:
    """Each member draws one other and copies it if its evaluations are better by Welch's t-test."""

    p_value: float = 0.05


@dataclass(frozen=True, slots=True)
class NoExploit:
    """Nobody copies: random search with the same budget."""


Strategy = Truncation | BinaryTournament | TTest | NoExploit


@dataclass(frozen=True, slots=True)
class Exploit:
    """Who copies whom; `min_gap` is how much better a donor's score must be, beyond strictly better."""

    strategy: Strategy = Truncation()
    min_gap: float = 0.0
    copy: Copy = Copy.BOTH


@dataclass(frozen=True, slots=True)
class Explore:
    """How copied hyperparameters change."""

    factors: tuple[float, ...] = (0.8, 1.25)
    resample_percent: float = 25


@dataclass(frozen=True, slots=True)
class Retention:
    """Which checkpoints stay."""

    checkpoints_per_member: int = 2
    on_delete: Literal["Retain", "Delete"] = "Retain"


@dataclass(frozen=True, slots=True)
class Spec:
    """The whole accepted spec, less what only the pods need."""

    members: int
    objective: Objective
    schedule: Schedule
    hyperparameters: tuple[Hyperparameter, ...]
    seed: int = 0
    parallelism: int | None = None
    initial: tuple[Mapping[str, Value], ...] = ()
    exploit: Exploit = Exploit()
    explore: Explore = Explore()
    retention: Retention = Retention()
    restart: Restart = Restart.RECREATE
    suspend: bool = False
    finish: bool = False
    backoff_limit: int = 6
    max_failed_members: int | None = None
    active_deadline_seconds: float | None = None

    @property
    def slots(self) -> int:
        """Members that hold a pod at once."""
        return self.members if self.parallelism is None else min(self.parallelism, self.members)

    @property
    def shares_slots(self) -> bool:
        """Whether a process may be asked to go on as another member, which waits for a slot."""
        return self.restart is Restart.IN_PLACE and self.slots < self.members
