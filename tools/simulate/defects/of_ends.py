"""Defects of ends: how a population ends, and what is told of it."""

from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from pbt_contract.errors import ExitCode
from pbt_contract.records import Cause
from pbt_operator.control import reconcile
from pbt_operator.control.record import Recorder
from pbt_operator.core import outcome
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.standing import best_among
from pbt_operator.records.round_log import RoundLog
from pbt_operator.runners.kubernetes import controller
from pbt_operator.runners.kubernetes.status_writer import StatusWriter


def _failed_members_keep_a_population_from_ending() -> Any:
    def outcome_of(history: History, spec: Any, **options: Any) -> Any:
        births = [history.newest_birth(member) for member in range(spec.members)]
        if any(birth is not None and birth.cause is Cause.FAILED for birth in births):
            return None
        return outcome.outcome_of(history, spec, **options)

    return patch.object(reconcile, "outcome_of", outcome_of)


def _what_another_operator_wrote_stays_in_the_status() -> Any:
    publish = StatusWriter.publish

    def deaf(self: StatusWriter, status: Any, **options: Any) -> None:
        publish(self, status if self._written is None else self._stored, **options)

    return patch.object(StatusWriter, "publish", deaf)


def _it_is_complete_without_a_best() -> Any:
    return patch.object(outcome, "_has_best", lambda *_: True)


def _who_failed_is_not_told_at_the_end() -> Any:
    return patch.object(outcome, "_lost", lambda *_: "")


def _the_final_one_is_of_the_round_that_was_decided_last() -> Any:
    def final(self: History, objective: Any) -> Any:
        decided = self.newest_round.entries if self.newest_round is not None else []
        read = [self.record(entry.member, entry.source.record) for entry in decided]
        found = [record for record in read if record is not None]
        best = best_among(found, objective)
        return best[1] if best is not None else None

    return patch.object(History, "final", final)


def _skipped_rounds_are_counted() -> Any:
    return patch.object(RoundLog, "num_decided", property(lambda self: max(self._decided, default=0)))


def _what_is_not_known_any_more_stays_in_the_resource() -> Any:
    return patch.object(controller, "NOT_KNOWN", {})


def _how_a_blameless_life_ended_is_not_recorded() -> Any:
    ended = Recorder.ended

    def forgetful(self: Recorder, end: End) -> End:
        is_blameless = end.disrupted or end.exit_code in {ExitCode.UNCLAIMED, ExitCode.STORAGE}
        return end if is_blameless else ended(self, end)

    return patch.object(Recorder, "ended", forgetful)


def _an_end_says_that_nobody_had_asked_for_it() -> Any:
    def blunt(self: Recorder, end: End) -> End:
        return ended(self, replace(end, disrupted=False, stopped=False))

    ended = Recorder.ended
    return patch.object(Recorder, "ended", blunt)


MADE = (
    _how_a_blameless_life_ended_is_not_recorded,
    _an_end_says_that_nobody_had_asked_for_it,
    _failed_members_keep_a_population_from_ending,
    _what_another_operator_wrote_stays_in_the_status,
    _it_is_complete_without_a_best,
    _who_failed_is_not_told_at_the_end,
    _the_final_one_is_of_the_round_that_was_decided_last,
    _skipped_rounds_are_counted,
    _what_is_not_known_any_more_stays_in_the_resource,
)

CAUGHT_BY = {_how_a_blameless_life_ended_is_not_recorded: 13}
