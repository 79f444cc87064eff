"""What a member is doing, in one word: the same for a cluster, a run on this machine and the records alone."""

import pytest

from fixtures.hypothesis_strategies import make_spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.control.pods import Phase, Pod, activity
from pbt_operator.core.history import History
from pbt_operator.core.status import MemberState
from pbt_operator.core.status_builder import state_of

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
