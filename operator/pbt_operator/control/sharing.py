"""Who waits for a slot, and who makes room for whom. Pure: it asks nobody, and looks nowhere."""

from collections.abc import Collection, Mapping

from pbt_contract.keys import Life
from pbt_contract.records import Cause
from pbt_operator.control.events import Event
from pbt_operator.core.history import History
from pbt_operator.core.outcome import finished
from pbt_operator.core.slots import Waiter
from pbt_operator.core.spec import Spec


def waiters(
    history: History, spec: Spec, *, taken: Collection[int], not_before: Mapping[int, float], now: float
) -> list[Waiter]:
    """The members that could start now if there were a slot.

    Args:
        history: what is known.
        spec: what is asked.
        taken: members that have a process, or that one was asked to go on as.
        not_before: by member, when it may start again, in seconds by the clock of `now`.
        now: seconds.
    """
    found = []
    for member in range(spec.members):
        birth = history.newest_birth(member)
        failed = birth is not None and birth.cause is Cause.FAILED
        if member in taken or failed or finished(history, member, spec):
            continue
        if now >= not_before.get(member, now):
            found.append(Waiter(member=member, position=history.position(member)))
    return found


def yield_event(member: int, heir: Life | None, *, position: int) -> Event:
    """What is told of a member that gives its slot away: in place, to `heir`."""
    told = f"member {member} is ahead at step {position} and yields its slot"
    told += f" to member {heir.member}, in place" if heir is not None else ""
    return Event("Yielded", told, member)
