"""What a status says of members, from what is known of them: the same for the store alone and for a running cluster."""

from pbt_operator.core.history import History
from pbt_operator.core.ledger import Ledger
from pbt_operator.core.spec import Spec
from pbt_operator.status import MemberState, MemberStatus, Steps
from pbt_trainer.records import Cause

_CLOSED = {Cause.FAILED: MemberState.FAILED, Cause.REMOVED: MemberState.REMOVED}


def member_status(history: History, member: int, spec: Spec, *, active: MemberState) -> MemberStatus:
    """One member as it is now; `active` is its state unless its line is closed or it has made all its steps."""
    birth = history.newest_birth(member)
    assert birth is not None, "a member has a birth"
    ready, position = history.line_reports(member), history.position(member)
    state = MemberState.FINISHED if position >= spec.schedule.total_steps else active
    return MemberStatus(
        member=member,
        incarnation=birth.incarnation,
        state=_CLOSED.get(birth.cause, state),
        step=position,
        score=ready[-1].score(spec.objective.metric) if ready else None,
        hyperparameters=birth.hyperparameters,
        parent=birth.source,
        reason=birth.reason,
    )


def steps(ledger: Ledger, history: History, spec: Spec) -> Steps:
    """The training steps of all members together."""
    births = [birth for member in history.members if (birth := history.newest_birth(member)) is not None]
    total = spec.schedule.total_steps
    waiting = sum(max(0, total - history.position(b.member)) for b in births if not b.cause.closes)
    return Steps(productive=ledger.productive, discarded=ledger.discarded, waiting=waiting)
