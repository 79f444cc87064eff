"""Writes the births that follow from decisions and from what became of processes."""

from typing import NamedTuple

from msgspec import UNSET, UnsetType

from pbt_contract.records import Birth, Cause, Report, Source, Value
from pbt_operator.core.chance import chance
from pbt_operator.core.exploit import donors
from pbt_operator.core.explore import explore, initial, sample
from pbt_operator.core.history import History
from pbt_operator.core.membership import part_of
from pbt_operator.core.part_views import kin
from pbt_operator.core.round_record import Decision, Entry, Round, Standing
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import settled_in
from pbt_operator.core.transcript import Transcript

KEPT = "kept"
MOST_BLAMED = 3
"""So often in a row the hyperparameters are blamed for crashes; whatever crashes then, is the script's fault."""


class Counters(NamedTuple):
    """What births carry on, whatever they are, until a record of the member's own sets both back.

    Attributes:
        crashes: in a row without such a record.
        blamed: births since then whose hyperparameters were blamed.
    """

    crashes: int = 0
    blamed: int = 0

    @classmethod
    def of(cls, birth: Birth | None) -> "Counters":
        """Those of a birth."""
        return cls() if birth is None else cls(birth.crashes, 0 if birth.blamed is UNSET else birth.blamed)

    @classmethod
    def carried(cls, history: History, member: int) -> "Counters":
        """Those that the member's next birth carries on."""
        return cls() if history.own_record(member) is not None else cls.of(history.newest_birth(member))

    @property
    def recorded_blame(self) -> int | UnsetType:
        """`blamed` as a birth has it."""
        return self.blamed or UNSET


def first(spec: Spec, *, member: int) -> Birth:
    """The birth of a member when the population begins."""
    given = member < len(spec.initial)
    return Birth(
        member=member,
        incarnation=1,
        cause=Cause.INITIAL,
        hyperparameters=initial(spec, member=member),
        sub_population=member % len(spec.sub_populations) if spec.sub_populations else UNSET,
        reason="starts from spec.initial" if given else "sampled",
    )


def is_due(decision: Decision, history: History, spec: Spec, *, round_number: int) -> bool:
    """Whether the birth that a decision orders is still to be written: the loser's line is the one that lost."""
    line = history.line(decision.member)
    if not any(birth.incarnation == decision.incarnation for birth in line):
        return False
    over = line[-1].round == round_number or line[0].cause.closes
    return not over and decision.member < spec.members


def decided(decision: Decision, *, round_number: int, at_step: int, history: History) -> Birth:
    """The birth that a round's decision orders.

    Args:
        decision: about one loser.
        round_number: the round that it lost.
        at_step: the step of that round; what it reported later doesn't count.
        history: what is known.
    """
    previous = history.newest_birth(decision.member)
    assert previous is not None, "only the living lose"
    counters = Counters.carried(history, decision.member)
    return Birth(
        member=decision.member,
        incarnation=previous.incarnation + 1,
        cause=decision.cause,
        hyperparameters=decision.hyperparameters,
        start_step=decision.source.step if decision.source else 0,
        previous_step=at_step,
        source=decision.source,
        round=round_number,
        seed_round=round_number,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        sub_population=previous.sub_population,
        operations=decision.operations,
        reason=decision.reason,
    )


def resumed(
    previous: Birth,
    record: Report | None,
    *,
    crash: Counters | None = None,
    decided: int | UnsetType = UNSET,
    reason: str,
) -> Birth:
    """The birth by which a member goes on from its own newest record, or from its own start where there is none.

    Args:
        previous: the birth whose process is over.
        record: the newest record that this incarnation wrote.
        crash: what is counted if it was its process's fault, that crash included; None if it was nobody's.
        decided: after a crash, the newest decided round.
        reason: for people.
    """
    counters = crash or (Counters.of(previous) if record is None else Counters())
    return Birth(
        member=previous.member,
        incarnation=previous.incarnation + 1,
        cause=Cause.RESUME if crash is None else Cause.CRASH,
        hyperparameters=previous.hyperparameters,
        start_step=record.step if record else previous.start_step,
        previous_step=record.step if record else previous.start_step,
        source=record.source if record else previous.source,
        round=None,
        seed_round=None if record else previous.seed_round,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        decided=decided,
        sub_population=previous.sub_population,
        reason=reason,
    )


def from_donor(
    history: History,
    *,
    spec: Spec,
    member: int,
    cause: Cause,
    explores: bool = True,
    other_than: Source | None = None,
    counters: Counters | None = None,
    decided: int | UnsetType = UNSET,
    reason: str,
) -> Birth | None:
    """A birth from a donor of the newest decided round; None where there is no donor yet.

    `explores`: whether the donor's hyperparameters are changed. `other_than`: a record that isn't to be copied.
    `counters` are the birth's; None carries on those of the one before. `decided` is the newest decided round after a
    crash. To `reason` the copy is added.
    """
    newest, part = history.newest_round, part_of(history, spec, member)
    donor = pick_donor(newest, part, spec=spec, member=member, other_than=other_than) if newest else None
    if newest is None or donor is None:
        return None
    previous = history.newest_birth(member)
    values, operations, ending = donor.hyperparameters, dict.fromkeys(donor.hyperparameters, KEPT), ""
    if explores:
        values, operations, ending = _explored(donor, newest, history, spec, member=member)
    counters = counters or Counters.carried(history, member)
    return Birth(
        member=member,
        incarnation=previous.incarnation + 1 if previous else 1,
        cause=cause,
        hyperparameters=values,
        start_step=donor.source.step,
        previous_step=history.position(member),
        source=donor.source,
        seed_round=newest.number,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        decided=decided,
        sub_population=part,
        operations=operations,
        reason=f"{reason}; copies member {donor.member} ({donor.score:.6g}) of round {newest.number}{ending}",
    )


def _explored(
    donor: Entry, decided: Round, history: History, spec: Spec, *, member: int
) -> tuple[dict[str, Value], dict[str, str], str]:
    """What a member gets that copies a donor of a decided round later: values, operations, the end of the reason."""
    earlier = history.rounds.before(decided.number, most=spec.rounds_needed - 1)
    view = spec.view(decided.number, decided.entries, earlier, crashed=decided.crashed)
    transcript = Transcript(view, spec)
    values, operations = explore(donor.hyperparameters, member=member, transcript=transcript)
    return values, operations, transcript.ending(member)


def sampled(history: History, *, spec: Spec, member: int, reason: str) -> Birth:
    """A birth for a slot that is new or came back before there was any donor."""
    previous, counters = history.newest_birth(member), Counters.carried(history, member)
    return Birth(
        member=member,
        incarnation=previous.incarnation + 1 if previous else 1,
        cause=Cause.SCALE,
        hyperparameters=sample(spec, member=member, round_number=history.decided),
        previous_step=history.position(member),
        seed_round=history.decided,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        sub_population=part_of(history, spec, member),
        reason=f"{reason}; sampled, for there is no donor yet",
    )


def pick_donor(
    newest: Round, part: int | UnsetType, *, spec: Spec, member: int, other_than: Source | None = None
) -> Entry | None:
    """A donor out of the best of a round, drawn for `member`; None if there is nobody else with a finite score.

    One of its sub-population `part`, if that has any. The record `other_than` is left out.
    """
    others = [entry for entry in newest.entries if entry.member != member and entry.source != other_than]
    if part is not UNSET and newest.sub_populations is not UNSET:
        others = [*kin(settled_in(part, newest.sub_populations), others)]
    best = donors(others, spec=spec, round_number=newest.number)
    return chance(spec.seed, newest.number, member, "replacement").choice(best) if best else None


def rescued(previous: Birth, *, leaving: Standing, number: int, position: int, counters: Counters) -> Birth:
    """The birth by which the worst remaining slot takes over the best weights before their member is scaled away."""
    return Birth(
        member=previous.member,
        incarnation=previous.incarnation + 1,
        cause=Cause.SCALE,
        hyperparameters=leaving.hyperparameters,
        start_step=leaving.source.step,
        previous_step=position,
        source=leaving.source,
        round=None,
        seed_round=number,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        sub_population=previous.sub_population,
        operations=dict.fromkeys(leaving.hyperparameters, KEPT),
        reason=f"takes over from member {leaving.member}, the best ({leaving.score:.6g}), which is scaled away",
    )


def closed(
    previous: Birth,
    *,
    cause: Cause,
    position: int,
    counters: Counters,
    decided: int | UnsetType = UNSET,
    reason: str,
) -> Birth:
    """The end of a member's line: no process is started for it."""
    return Birth(
        member=previous.member,
        incarnation=previous.incarnation + 1,
        cause=cause,
        hyperparameters=previous.hyperparameters,
        start_step=position,
        previous_step=position,
        source=previous.source,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        decided=decided,
        sub_population=previous.sub_population,
        reason=reason,
    )
