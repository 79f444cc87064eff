"""Who gets a slot: the member with the least progress next; who is ahead by an interval yields at its ready report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """A member that holds a slot.

    Attributes:
        position: the step that it has durably reached.
        reported: whether it has made a ready report since it got the slot or waits, so that yielding now costs least,
            and can be asked to yield.
        waits: whether it is as far as it may train before more is decided.
        leaving: its pod is being stopped, the slot is free soon.
    """

    member: int
    position: int
    reported: bool = False
    waits: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Waiter:
    """A member that could start at once if there were a slot.

    Attributes:
        waits: whether it could only wait there: it is as far as it may train before more is decided.
        has_pod: whether a pod of its own waits for a place: it may have begun to run just now.
    """

    member: int
    position: int
    waits: bool = False
    has_pod: bool = False


@dataclass(frozen=True, slots=True)
class Handover:
    """A member that is asked to yield its slot, and who is to have it; nobody where there are too few slots."""

    holder: int
    waiter: int | None


@dataclass(frozen=True, slots=True)
class Allotment:
    """Who starts now and who is asked to yield."""

    start: tuple[int, ...] = ()
    yields: tuple[Handover, ...] = ()


def in_turn(waiters: Iterable[Waiter]) -> list[Waiter]:
    """The members that wait, the one with the least progress first."""
    return sorted(waiters, key=lambda waiter: (waiter.position, waiter.member))


def allot(
    *, slots: int, holders: Sequence[Holder], waiters: Sequence[Waiter], interval_steps: int
) -> Allotment:
    """Shares the slots out.

    A holder yields only to somebody who is behind by an interval or more, so that turns last an interval at least and
    no two members push each other out. One that can only wait yields to anybody who can train. A free slot goes to who
    has no pod yet: another one for who has might run beside it.
    """
    queue = in_turn(waiters)
    free = max(0, slots - len(holders))
    starting = sorted(queue, key=lambda waiter: waiter.has_pod)[:free]
    queue = [waiter for waiter in queue if waiter not in starting]
    leaving = [holder for holder in holders if holder.leaving]
    # Beyond `slots` (a smaller parallelism, say) the members that are furthest ahead leave.
    staying = sorted(
        (holder for holder in holders if not holder.leaving),
        key=lambda holder: (-holder.position, -holder.member),
    )
    excess = max(0, len(staying) - slots)
    yields = [Handover(holder.member, None) for holder in staying[:excess]]
    queue = queue[max(0, len(leaving) - max(0, len(holders) - slots)) :]
    ready = [holder for holder in staying[excess:] if holder.reported]
    for waiter, holder in zip((waiter for waiter in queue if not waiter.waits), ready, strict=False):
        if not holder.waits and holder.position < waiter.position + interval_steps:
            break
        yields.append(Handover(holder.member, waiter.member))
    return Allotment(start=tuple(waiter.member for waiter in starting), yields=tuple(yields))
