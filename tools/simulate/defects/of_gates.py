"""Defects of gates: how far one may train, and who waits."""

from typing import Any
from unittest.mock import patch

from msgspec import UNSET
from msgspec.structs import replace

from pbt_operator.control.decide import Decisions
from pbt_operator.control.placement import Placement
from pbt_operator.control.ripening import Ripening
from pbt_operator.core import gates
from pbt_operator.core.quorum import Attendance
from pbt_trainer.courier.gate_watch import GateWatch
from simulate.gate_wait import GateWait


def _a_gate_opens_a_round_too_many() -> Any:
    lead_of = gates.lead_of
    return patch.object(gates, "lead_of", lambda spec: lead_of(spec) + 1)


def _a_gate_stays_shut_for_a_lone_survivor() -> Any:
    return patch.object(Attendance, "can_come", lambda *_: True)


def _a_gate_is_shut_in_burn_in() -> Any:
    def next_round(newest: Any, spec: Any) -> int | None:
        following = (newest.number if newest else 0) + 1
        return following if following < spec.schedule.last_round else None

    return patch.object(gates, "next_choice", next_round)


def _only_the_first_gate_is_written() -> Any:
    open_ = Decisions.open

    def once(self: Decisions, *args: Any, **options: Any) -> None:
        if self._repository.gates.newest is None:
            open_(self, *args, **options)

    return patch.object(Decisions, "open", once)


def _no_gate_is_written_before_the_first_round() -> Any:
    open_ = Decisions.open

    def later(self: Decisions, *args: Any, **options: Any) -> None:
        if self._history.decided:
            open_(self, *args, **options)

    return patch.object(Decisions, "open", later)


def _waiting_at_a_gate_is_taken_for_hanging() -> Any:
    return patch.object(Placement, "_waits", lambda *_: False)


def _a_trainer_waits_for_nobody() -> Any:
    may_train = GateWait.may_train

    def never(self: GateWait, number: int) -> bool:
        may_train(self, number)
        return True

    return patch.object(GateWait, "may_train", never)


def _a_trainer_gives_up_before_the_quorum_is_there() -> Any:
    return patch.object(GateWatch, "_has_quorum", lambda *_: True)


def _a_trainer_gives_up_at_quorum_100() -> Any:
    count = GateWatch._count

    def lax(self: GateWatch, now: float) -> None:
        gate = self._gate
        self._gate = gate if gate is None else replace(gate, is_strict=UNSET)
        count(self, now)
        self._gate = gate

    return patch.object(GateWatch, "_count", lax)


def _a_trainer_has_no_patience_with_those_who_decide() -> Any:
    return patch.object(GateWatch, "_patience", property(lambda _: 0.0))


def _the_newest_ripe_round_is_decided_and_older_ones_are_skipped() -> Any:
    def newest(self: Ripening, numbers: Any, spec: Any, living: Any) -> Any:
        return self._newest(numbers, spec, living)

    return patch.object(Ripening, "_oldest", newest)


MADE = (
    _a_gate_opens_a_round_too_many,
    _a_gate_stays_shut_for_a_lone_survivor,
    _a_gate_is_shut_in_burn_in,
    _only_the_first_gate_is_written,
    _no_gate_is_written_before_the_first_round,
    _waiting_at_a_gate_is_taken_for_hanging,
    _a_trainer_waits_for_nobody,
    _a_trainer_gives_up_before_the_quorum_is_there,
    _a_trainer_gives_up_at_quorum_100,
    _a_trainer_has_no_patience_with_those_who_decide,
    _the_newest_ripe_round_is_decided_and_older_ones_are_skipped,
)
