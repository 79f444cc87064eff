"""What a member is doing, in one word: the same for a cluster, a run on this machine and the records alone."""

import pytest
from msgspec import UNSET

from fixtures.hypothesis_strategies import INTERVAL, make_spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.control.pods import Phase, Pod, activity
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import Truncation
from pbt_operator.core.search import Schedule
from pbt_operator.core.spec import Exploit
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.core.status_builder import state_of, status_of

SPEC = make_spec()
TOTAL, LAST_ROUND = SPEC.schedule.total_steps, SPEC.schedule.last_round


def pod(phase: Phase, **changes: bool) -> Pod:
    return Pod(name="x-0-1", uid="u", member=0, incarnation=1, phase=phase, **changes)


def history_of(cause: Cause = Cause.INITIAL, **record: int | None) -> History:
    history = History()
    history.add_birth(Birth(member=0, incarnation=1, cause=cause, hyperparameters={}, reason=""))
    if record:
        report = Report(
            member=0, incarnation=1, metrics={}, hyperparameters={}, checkpoint="x/", files=[], **record
        )
        history.add_record(report)
    return history


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (None, MemberState.WAITING),
        (pod(Phase.PENDING), MemberState.STARTING),
        (pod(Phase.RUNNING), MemberState.TRAINING),
        (pod(Phase.RUNNING, stopping=True), MemberState.STOPPING),
        (pod(Phase.PENDING, stopping=True), MemberState.STOPPING),
    ],
)
def test_a_member_that_goes_on_does_what_its_pod_does(seen: Pod | None, state: MemberState) -> None:
    assert state_of(history_of(), 0, SPEC, active=activity(seen)) is state


@pytest.mark.parametrize(
    ("cause", "state"), [(Cause.FAILED, MemberState.FAILED), (Cause.REMOVED, MemberState.REMOVED)]
)
def test_a_closed_line_says_why_whatever_a_pod_still_does(cause: Cause, state: MemberState) -> None:
    assert state_of(history_of(cause), 0, SPEC, active=MemberState.TRAINING) is state


def test_a_member_has_finished_with_its_last_report_and_not_with_a_save_at_the_same_step() -> None:
    reported = history_of(step=TOTAL, round=LAST_ROUND)
    assert state_of(reported, 0, SPEC, active=MemberState.STOPPING) is MemberState.FINISHED
    saved = history_of(step=TOTAL, round=None)
    assert state_of(saved, 0, SPEC, active=MemberState.WAITING) is MemberState.WAITING


def due(
    newest: Round | None,
    *,
    percent: int = 20,
    burn_in: int = 0,
    phase: PopulationPhase = PopulationPhase.RUNNING,
):
    """The round that the status of a population of 50 rounds names."""
    schedule = Schedule(
        total_steps=50 * INTERVAL,
        interval_steps=INTERVAL,
        burn_in_steps=burn_in * INTERVAL,
        quorum_percent=100,
    )
    spec = make_spec(exploit=Exploit(Truncation(), horizon_percent=percent), schedule=schedule)
    history = History()
    if newest is not None:
        history.add_round(newest)
    told = {
        "rounds": history.decided,
        "activity": lambda _: MemberState.TRAINING,
        "phase": phase,
    }
    return status_of(history, Ledger(), spec, **told).due


def compared(number: int, planned: int) -> Round:
    return Round(number=number, step=number * INTERVAL, spec=1, entries=[], due=planned)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [(None, 10), (compared(9, 10), 10), (compared(10, 10), 18), (compared(12, 18), 18)],
)
def test_the_status_names_the_round_in_which_losers_are_replaced_next(newest, expected) -> None:
    assert due(newest) == expected


def test_the_status_names_a_round_after_burn_in_and_none_past_the_end_or_without_a_horizon() -> None:
    assert due(None, burn_in=12) == 18
    assert due(compared(49, 49)) is UNSET
    assert due(None, percent=0) is UNSET
    assert due(None, phase=PopulationPhase.COMPLETE) is UNSET
