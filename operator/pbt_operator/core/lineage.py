"""The lineage behind a checkpoint: the chain of births, and the hyperparameter schedule that it is."""

from collections.abc import Mapping

from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.errors import RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Count, IncarnationNumber, MemberNumber, Record, Value
from pbt_operator.core.round_record import Standing

Births = Mapping[Life, Birth]
"""All births, by the life that each orders."""


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

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


def lineage(births: Births, *, member: int, incarnation: int, step: int) -> list[Segment]:
    """The incarnations behind a checkpoint, the first ancestor first. Those that added no step are left out.

    Raises:
        RecordRefused: a birth of the chain is missing, or comes back to itself.
    """
    segments: list[Segment] = []
    seen: set[Life] = set()
    life, end = Life(member, incarnation), step
    while True:
        birth = _birth(births, life, seen)
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
        life, end = birth.source.life, birth.source.step
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


def first_ancestor(births: Births, *, member: int, incarnation: int) -> Life:
    """The life that a life's weights come from in the end: one that began without a checkpoint.

    Raises:
        RecordRefused: as `lineage`.
    """
    seen: set[Life] = set()
    life = Life(member, incarnation)
    while True:
        birth = _birth(births, life, seen)
        if birth.source is not None:
            life = birth.source.life
        elif birth.cause.resumes:
            life = Life(birth.member, birth.incarnation - 1)
        else:
            return life


def _birth(births: Births, life: Life, seen: set[Life]) -> Birth:
    """The next birth of a chain. Others can write to the store, so it may have gaps or loops."""
    if life not in births or life in seen:
        raise RecordRefused(
            f"{keys.birth(*life)}: {'descends from itself' if life in seen else 'is missing'}"
        )
    seen.add(life)
    return births[life]


def lineage_of(standing: Standing, births: Births) -> list[Segment]:
    """The lineage behind a standing."""
    return lineage(births, member=standing.member, incarnation=standing.incarnation, step=standing.step)
