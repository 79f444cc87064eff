"""What a population is to do, as the decisions need it. `pbt_operator.manifest` builds it from a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from msgspec import UNSET, UnsetType

from pbt_contract.records import Value
from pbt_operator.core.budget import Limits, Plateau
from pbt_operator.core.round_record import Crashed, Entry, Round
from pbt_operator.core.rules import ExploitRule, ExploreRule, Perturb, RoundView, Truncation
from pbt_operator.core.search import Hyperparameter, Objective, Schedule
from pbt_operator.core.strategy import Strategy
from pbt_operator.core.sub_populations import SubPopulation

CLAIMS = "resourceclaims"
"""Under which `Spec.devices` counts claims of dynamic resource allocation: what is in them no template says."""


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
class Exploit:
    """Who copies whom and when.

    Attributes:
        min_gap: how much better a donor's score must be, beyond strictly better.
        horizon_percent: losers are replaced again after this share of the rounds that are left; 0: in every round.
    """

    rule: ExploitRule = field(default_factory=Truncation)
    horizon_percent: int = 0
    min_gap: float = 0.0
    copy: Copy = Copy.BOTH


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
    sub_populations: tuple[SubPopulation, ...] = ()
    explore: ExploreRule = field(default_factory=Perturb)
    strategy: Strategy = Strategy.EXPLICIT
    retention: Retention = Retention()
    restart: Restart = Restart.RECREATE
    suspend: bool = False
    finish: bool = False
    backoff_limit: int = 6
    max_failed_members: int | None = None
    active_deadline_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
    plateau: Plateau | None = None
    devices: Mapping[str, int] = field(default_factory=dict)
    """Accelerators of a pod, by resource; see `CLAIMS` for those that no resource names."""

    @property
    def gpus(self) -> int:
        """Accelerators of a pod that its resources name, of whichever vendor; a slice is one."""
        return sum(count for resource, count in self.devices.items() if resource != CLAIMS)

    @property
    def slots(self) -> int:
        """Members that hold a pod at once."""
        return self.members if self.parallelism is None else min(self.parallelism, self.members)

    @property
    def rounds_needed(self) -> int:
        """How many of the newest rounds its rules look at, the one that is decided included."""
        return max(self.exploit.rule.looks_back(self.members), self.explore.looks_back(self.members))

    def view(
        self,
        number: int,
        entries: Sequence[Entry],
        earlier: Sequence[Round] = (),
        *,
        due: int | UnsetType = UNSET,
        crashed: Sequence[Crashed] | UnsetType = UNSET,
    ) -> RoundView:
        """What the rules see of a round.

        Args:
            number: of the round.
            entries: the ready reports that are compared.
            earlier: decided rounds before it, the oldest first; what the rules don't look at is left out.
            due: from which round on losers are replaced again, as the round's record says it.
            crashed: the lives that crashed since the decided round before, as the round's record says it.
        """
        return RoundView(
            number=number,
            entries=entries,
            earlier=earlier,
            objective=self.objective,
            schedule=self.schedule,
            space=self.hyperparameters,
            seed=self.seed,
            min_gap=self.exploit.min_gap,
            due=0 if due is UNSET else due,
            horizon_percent=self.exploit.horizon_percent,
            crashed=() if crashed is UNSET else crashed,
        ).looking_back(self.rounds_needed)
