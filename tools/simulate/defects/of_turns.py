"""Defects of turns: what becomes of slots and of pods that wait while room lacks, and whose turn it is."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from pbt_operator.control import demand, occupancy, placement
from pbt_operator.control.demand import Demand
from pbt_operator.control.living import Living
from pbt_operator.control.pods import Phase
from pbt_operator.core import slots
from pbt_operator.core.slots import Allotment, Handover
from simulate.defects.patches import both


def _a_slot_is_handed_back_to_be_handed_over() -> Any:
    allot = placement.allot

    def back(**options: Any) -> Allotment:
        found = allot(**options)
        return replace(found, yields=tuple(Handover(one.holder, None) for one in found.yields))

    return patch.object(placement, "allot", back)


def _of_the_pods_that_wait_one_stays() -> Any:
    keep_up = Demand.keep_up

    def one_only(self: Demand, seen: Any, spec: Any, **options: Any) -> int:
        return keep_up(self, seen, replace(spec, parallelism=min(spec.slots, len(seen.live) + 1)), **options)

    return patch.object(Demand, "keep_up", one_only)


def _who_is_furthest_ahead_has_the_next_turn() -> Any:
    return _turns_by(lambda waiter: (-waiter.position, waiter.member))


def _the_same_member_has_the_next_turn_again_and_again() -> Any:
    return _turns_by(lambda waiter: waiter.member)


def _turns_by(order: Any) -> Any:
    def in_turn(waiters: Any) -> list[Any]:
        return sorted(waiters, key=order)

    return both(patch.object(slots, "in_turn", in_turn), patch.object(demand, "in_turn", in_turn))


def _who_waits_for_its_turn_is_dropped() -> Any:
    members = Living.members

    def hasty(self: Living, seen: Any, spec: Any, *, now: float) -> set[int]:
        found, waits = members(self, seen, spec, now=now), self.__dict__.setdefault("waits", {})
        for member in range(spec.members):
            if member in seen.live and seen.live[member].phase is Phase.RUNNING:
                waits.pop(member, None)
            elif now - waits.setdefault(member, now) > spec.schedule.straggler_timeout_seconds:
                found.discard(member)
        return found

    return patch.object(Living, "members", hasty)


def _a_life_is_asked_only_once() -> Any:
    return patch.object(occupancy, "_most_requests", lambda _: 1)


MADE = (
    _a_slot_is_handed_back_to_be_handed_over,
    _of_the_pods_that_wait_one_stays,
    _who_is_furthest_ahead_has_the_next_turn,
    _the_same_member_has_the_next_turn_again_and_again,
    _who_waits_for_its_turn_is_dropped,
    _a_life_is_asked_only_once,
)

CAUGHT_BY = {
    **dict.fromkeys(MADE, 15),
    _who_waits_for_its_turn_is_dropped: 10,
    _a_life_is_asked_only_once: 7,
}
