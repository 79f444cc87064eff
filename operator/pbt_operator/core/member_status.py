"""What a status says of members, from what is known of them: the same for the store alone and for a running cluster."""

from pbt_contract.records import Cause
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import MemberState, MemberStatus, Steps

_CLOSED = {Cause.FAILED: MemberState.FAILED, Cause.REMOVED: MemberState.REMOVED}


def state_of(history: History, member: int, spec: Spec, *, active: MemberState) -> MemberState:
    """What a member is doing: `active`, unless its line is closed or it has made its last report.

    Args:
        history: what is known.
        member: which one.
        spec: what is asked.
        active: what its process does, by its pod or by its claim.
    """
    birth = history.newest_birth(member)
    assert birth is not None, "a member has a birth"
    if birth.cause.closes:
        return _CLOSED[birth.cause]
    return MemberState.FINISHED if finished(history, member, spec) else active


def member_status(
    history: History, member: int, spec: Spec, *, active: MemberState, longest_reason: int | None = None
) -> MemberStatus:
    """One member as it is now.

    Args:
        history: what is known.
        member: which one.
        spec: what is asked.
        active: see `state_of`.
        longest_reason: cut the reason after so many characters.
    """
    birth = history.newest_birth(member)
    assert birth is not None, "a member has a birth"
    return MemberStatus(
        member=member,
        incarnation=birth.incarnation,
        state=state_of(history, member, spec, active=active),
        step=history.position(member),
        score=history.score(member, spec.objective),
        hyperparameters=birth.hyperparameters,
        parent=birth.source,
        reason=birth.reason[:longest_reason],
    )


def steps(ledger: Ledger, history: History, spec: Spec) -> Steps:
    """The training steps of all members together."""
    births = [birth for member in history.members if (birth := history.newest_birth(member)) is not None]
    total = spec.schedule.total_steps
    waiting = sum(max(0, total - history.position(b.member)) for b in births if not b.cause.closes)
    return Steps(productive=ledger.productive, discarded=ledger.discarded, waiting=waiting)
