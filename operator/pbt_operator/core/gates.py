"""What the next gate says, if there is anything to say: how far one may train, and which round's decision opens more.

Nobody waits where nobody has to: for rounds that replace nobody, for one that can't be decided any more, or where fewer
than two members are left that can be compared.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from msgspec import UNSET

from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.yields import LifeName
from pbt_operator.core.history import History
from pbt_operator.core.lead import lead_of, next_choice
from pbt_operator.core.outcome import finished
from pbt_operator.core.quorum import Attendance, attend, quorum_of, rounds_that_matter
from pbt_operator.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the next decision waits for.

    Attributes:
        awaits: the next round that can replace somebody and can still be decided; 0 if there is none.
        left: how many members its quorum is counted from.
        without: the lives of the others that are over or done.
        missing: the lives of the others that have had no running process for too long.
        uncounted: lives whose reports of `awaits` don't count, though those of later ones of their members may.
    """

    awaits: int = 0
    left: int = 0
    without: tuple[Life, ...] = ()
    missing: tuple[Life, ...] = ()
    uncounted: tuple[Life, ...] = ()


def gate_after(
    history: History, spec: Spec, *, spec_number: int, living: Set[int], previous: Gate | None
) -> Gate | None:
    """The gate that is to be written now.

    Args:
        history: what is known, with the newest decided round and the births that it orders.
        spec: what is asked.
        spec_number: the number of the spec record.
        living: members that are not scaled away, not failed and not missing for too long.
        previous: the newest gate.

    Returns:
        None if there is nothing to say: the newest gate says it, or was written by an operator that knows more.
    """
    if previous is not None:
        is_open = previous.awaits == 0 and previous.up_to >= spec.schedule.last_round
        if is_open or previous.decided > history.decided or previous.spec > spec_number:
            return None
    wanted = gate_of(
        prospect(history, spec, living=living),
        spec,
        spec_number=spec_number,
        decided=history.decided,
        lead=lead_of(spec),
        previous=previous,
    )
    return wanted if previous is None or _said(wanted) != _said(previous) else None


def gate_of(
    found: Prospect, spec: Spec, *, spec_number: int, decided: int, lead: int, previous: Gate | None
) -> Gate:
    """The gate that follows from these facts; it never opens less than the one before.

    Args:
        found: what the next decision waits for.
        spec: the spec in force.
        spec_number: the number of its record.
        decided: the newest decided round.
        lead: see `lead_of`.
        previous: the gate before; None for the first.
    """
    schedule, before = spec.schedule, previous.up_to if previous else 0
    up_to = max(
        before, min(found.awaits + lead, schedule.last_round) if found.awaits else schedule.last_round
    )
    waits = up_to < schedule.last_round
    is_strict = schedule.quorum_percent >= 100
    return Gate(
        number=previous.number + 1 if previous else 1,
        up_to=up_to,
        awaits=found.awaits if waits else 0,
        quorum=_quorum(found.left, spec) if waits else 0,
        is_strict=True if waits and is_strict else UNSET,
        spec=spec_number,
        decided=decided,
        lead=lead,
        without=[*_names(found.without)],
        missing=[*_names(found.missing)] or UNSET,
        uncounted=[*_names(found.uncounted)] or UNSET if waits and not is_strict else UNSET,
    )


def prospect(history: History, spec: Spec, *, living: Set[int]) -> Prospect:
    """What the next decision waits for, and for whom it doesn't."""
    percent, interval = spec.schedule.quorum_percent, spec.schedule.interval_steps
    first = next_choice(history.newest_round, spec)
    if first is None:
        return Prospect()
    # Rounds that nobody has come to are all alike.
    seen = max((history.position(member) // interval + 1 for member in living), default=first)
    last, attendance = min(max(first, seen), spec.schedule.last_round - 1), None
    for number in rounds_that_matter(history, spec, living=living, first=first, last=last):
        attendance = attend(history, spec, number, living=living)
        if attendance.can_come(percent):
            return _prospect(attendance, history, spec, awaits=number)
    return Prospect() if attendance is None else _prospect(attendance, history, spec, awaits=0)


def _quorum(left: int, spec: Spec) -> int:
    """How many reports the awaited round needs at the most.

    Of sub-populations only those that are due need theirs, and trainers count reports, not whose they are: with all of
    them the round is sure to have what it needs.
    """
    return max(2, left) if spec.sub_populations else quorum_of(left, spec.schedule.quorum_percent)


def is_at_bound(step: int, gate: Gate | None, spec: Spec) -> bool:
    """Whether a member that has come to this step waits at the gate; without any gate nobody does."""
    return gate is not None and step // spec.schedule.interval_steps + 1 > gate.up_to


def is_over(history: History, member: int, spec: Spec) -> bool:
    """Whether the member's line is closed, or it is done."""
    birth = history.newest_birth(member)
    return (birth is not None and birth.cause.closes) or finished(history, member, spec)


def _prospect(attendance: Attendance, history: History, spec: Spec, *, awaits: int) -> Prospect:
    over, missing = list[Life](), list[Life]()
    for member in range(spec.members):
        birth = None if member in attendance.left else history.newest_birth(member)
        if birth is not None:
            (over if is_over(history, member, spec) else missing).append(birth.life)
    return Prospect(
        awaits,
        left=len(attendance.left),
        without=tuple(over),
        missing=tuple(missing),
        uncounted=tuple(_uncounted(attendance, history, awaits)) if awaits else (),
    )


def _uncounted(attendance: Attendance, history: History, awaits: int) -> Iterable[Life]:
    """Whose reports make no quorum: they stay where they are, but their lives are none of their members' lines."""
    for member in history.members:
        counting = attendance.have.get(member)
        for record in history.records(member):
            if record.round == awaits and (counting is None or record.life != counting.life):
                yield record.life


def _names(lives: Iterable[Life]) -> Iterable[LifeName]:
    return (LifeName(member=life.member, incarnation=life.incarnation) for life in lives)


def _said(gate: Gate) -> tuple[object, ...]:
    """What trainers look at: how far they may go, and whose reports they count while they wait.

    Who isn't waited for changes nothing for them without a report of the awaited round; but whether there is one, they
    may know before the operator does.
    """
    over = frozenset(name.member for name in gate.without)
    uncounted = frozenset(name.life for name in gate.uncounted or [])
    return gate.up_to, gate.awaits, gate.quorum, gate.is_strict is True, over, uncounted
