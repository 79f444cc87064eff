"""The lineage behind a checkpoint: the chain of births, and the hyperparameter schedule that it is."""

from collections.abc import Mapping

from msgspec.structs import replace

from pbt_operator.core.round import Standing
from pbt_trainer import keys
from pbt_trainer.errors import RecordRefused
from pbt_trainer.records import Birth, Cause, Count, IncarnationNumber, MemberNumber, Record, Value

Lives = Mapping[tuple[int, int], Birth]
"""All births, by member and incarnation."""


class Segment(Record, frozen=True, kw_only=True):
    """One incarnation's part of a lineage: the steps from `start_step` (exclusive) to `end_step`."""

    member: MemberNumber
    incarnation: IncarnationNumber
    cause: Cause
    start_step: Count
    end_step: Count
    hyperparameters: dict[str, Value]
    operations: dict[str, str] = {}
    reason: str = ""


def lineage(lives: Lives, *, member: int, incarnation: int, step: int) -> list[Segment]:
    """The incarnations behind a checkpoint, the first ancestor first. Those that added no step are left out.

    Raises:
        RecordRefused: a birth of the chain is missing, or comes back to itself.
    """
    segments: list[Segment] = []
    seen: set[tuple[int, int]] = set()
    life, end = (member, incarnation), step
    while True:
        birth = _birth(lives, life, seen)
        segments.append(
            Segment(
                member=birth.member,
                incarnation=birth.incarnation,
                cause=birth.cause,
                start_step=birth.start_step,
                end_step=end,
                hyperparameters=birth.hyperparameters,
                operations=birth.operations,
                reason=birth.reason,
            )
        )
        if birth.source is None:
            break
        life, end = (birth.source.member, birth.source.incarnation), birth.source.step
    return [segment for segment in reversed(segments) if segment.end_step > segment.start_step]


def schedule(segments: list[Segment]) -> list[Segment]:
    """A lineage as a schedule: consecutive segments with the same hyperparameters (resumes) become one."""
    merged: list[Segment] = []
    for segment in segments:
        if merged and merged[-1].hyperparameters == segment.hyperparameters:
            merged[-1] = replace(merged[-1], end_step=segment.end_step)
        else:
            merged.append(segment)
    return merged


def first_ancestor(lives: Lives, *, member: int, incarnation: int) -> tuple[int, int]:
    """The life that a life's weights come from in the end: one that began without a checkpoint.

    Raises:
        RecordRefused: as `lineage`.
    """
    seen: set[tuple[int, int]] = set()
    life = (member, incarnation)
    while True:
        birth = _birth(lives, life, seen)
        if birth.source is not None:
            life = (birth.source.member, birth.source.incarnation)
        elif birth.cause.resumes:
            life = (birth.member, birth.incarnation - 1)
        else:
            return life


def _birth(lives: Lives, life: tuple[int, int], seen: set[tuple[int, int]]) -> Birth:
    """The next birth of a chain. Others can write to the store, so it may have gaps or loops."""
    if life not in lives or life in seen:
        raise RecordRefused(
            f"{keys.birth(*life)}: {'descends from itself' if life in seen else 'is missing'}"
        )
    seen.add(life)
    return lives[life]


def lineage_of(standing: Standing, lives: Lives) -> list[Segment]:
    """The lineage behind a standing."""
    return lineage(lives, member=standing.member, incarnation=standing.incarnation, step=standing.step)
