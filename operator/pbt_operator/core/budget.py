"""What a population may use, and whether it still gets better: else it ends with the best that it has."""

from dataclasses import dataclass
from typing import NamedTuple

from pbt_operator.core.round_record import Standing
from pbt_operator.core.search import Objective

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What all members together may use; None is no limit.

    Attributes:
        gpu_hours: GPUs of a trainer, times the recorded hours of its processes.
        active_seconds: since the population has been active.
        total_member_steps: recorded ones, those that were discarded included.
    """

    gpu_hours: float | None = None
    active_seconds: float | None = None
    total_member_steps: int | None = None

    @property
    def of_records(self) -> bool:
        """Whether it takes a ledger to know what is used."""
        return self.gpu_hours is not None or self.total_member_steps is not None


@dataclass(frozen=True, slots=True)
class Plateau:
    """When training has stopped to get better.

    Attributes:
        rounds: how many decided rounds are looked at.
        min_gain: the best must have become better by more than this in them.
    """

    rounds: int
    min_gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Used:
    """What a population has used, as far as its spec asks.

    Attributes:
        active_seconds: since it has been active.
        gpu_seconds: as far as records tell.
        member_steps: recorded ones of all members.
        best_before: the best before the newest rounds that the plateau looks at; None where there were fewer, or
            where nobody had a finite score.
        best: the best of the newest decided round.
    """

    active_seconds: float = 0.0
    gpu_seconds: float = 0.0
    member_steps: int = 0
    best_before: Standing | None = None
    best: Standing | None = None


class Reached(NamedTuple):
    """Why there is nothing more to do: in one word, and in words."""

    reason: str
    message: str


def reached(limits: Limits, plateau: Plateau | None, objective: Objective, used: Used) -> Reached | None:
    """The first limit that is reached, else whether there is a plateau."""
    if limits.total_member_steps is not None and used.member_steps >= limits.total_member_steps:
        told = (
            f"{used.member_steps} steps are recorded, limits.totalMemberSteps is {limits.total_member_steps}"
        )
        return Reached("LimitReached", told)
    if limits.gpu_hours is not None and used.gpu_seconds >= limits.gpu_hours * HOUR_SECONDS:
        hours = used.gpu_seconds / HOUR_SECONDS
        return Reached(
            "LimitReached", f"{hours:.4g} GPU hours are used, limits.gpuHours is {limits.gpu_hours:g}"
        )
    if limits.active_seconds is not None and used.active_seconds >= limits.active_seconds:
        told = f"active for limits.activeSeconds {limits.active_seconds:g}"
        return Reached("LimitReached", told)
    return None if plateau is None else _standstill(plateau, objective, used)


def _standstill(plateau: Plateau, objective: Objective, used: Used) -> Reached | None:
    before, now = used.best_before, used.best
    if before is None or now is None:
        return None
    gain = objective.utility(now.score) - objective.utility(before.score)
    if gain > plateau.min_gain:
        return None
    told = f"{before.score:.6g} became {now.score:.6g} in the newest {plateau.rounds} decided rounds"
    least = f"plateau.minGain is {plateau.min_gain:g}"
    return Reached("Plateau", f"the best is hardly better: {told}, {least}")
