"""Defects of limits, plateaus and what is counted for them."""

from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from pbt_operator.core import budget, tally
from pbt_operator.core.accounting import Ledger
from pbt_operator.records.ledger_log import LedgerLog
from pbt_operator.records.round_log import RoundLog


def _discarded_training_is_called_productive() -> Any:
    split = tally._split
    return patch.object(tally, "_split", lambda records, _limit: split(records, None))


def _the_time_of_a_record_is_counted_each_time_that_it_is_read() -> Any:
    return patch.object(tally.Tally, "has", lambda *_: False)


def _waiting_is_no_time() -> Any:
    add = Ledger.add_record
    return patch.object(Ledger, "add_record", lambda self, record: add(self, replace(record, waited=0.0)))


def _old_records_are_not_read_after_a_restart() -> Any:
    return patch.object(LedgerLog, "_take", lambda *_: None)


def _a_limit_on_steps_is_ignored() -> Any:
    reached = budget.reached

    def deaf(limits: Any, plateau: Any, objective: Any, used: Any) -> Any:
        found = reached(limits, plateau, objective, used)
        return None if found is not None and found.message.startswith(f"{used.member_steps} steps") else found

    return patch("pbt_operator.core.outcome.reached", deaf)


def _a_plateau_looks_back_one_round_too_few() -> Any:
    best_before = RoundLog.best_before
    return patch.object(RoundLog, "best_before", lambda self, rounds: best_before(self, max(0, rounds - 1)))


MADE = (
    _discarded_training_is_called_productive,
    _the_time_of_a_record_is_counted_each_time_that_it_is_read,
    _waiting_is_no_time,
    _old_records_are_not_read_after_a_restart,
    _a_limit_on_steps_is_ignored,
    _a_plateau_looks_back_one_round_too_few,
)
