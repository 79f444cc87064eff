"""How members come back: that failed, after each decided round or with the population, and where nobody copies."""

from collections.abc import Mapping

from pbt_contract.records import Birth, Cause, Value
from pbt_operator.core import births
from pbt_operator.core.births import MOST_BLAMED, Counters
from pbt_operator.core.crashed import AFTER_CRASHES
from pbt_operator.core.explore import sample
from pbt_operator.core.history import History
from pbt_operator.core.membership import part_of
from pbt_operator.core.spec import Spec


def returned(history: History, spec: Spec, member: int) -> Birth | None:
    """The birth by which a member that failed comes back, once after each decided round; None if it doesn't now.

    It copies a donor of that round, unchanged, and has two starts until its first record: one if `backoffLimit` is 0.
    Where nobody copies it continues from its own newest record, or is drawn again.
    """
    closing, newest = history.newest_birth(member), history.newest_round
    if closing is None or closing.cause is not Cause.FAILED or newest is None:
        return None
    since = closing.decided if isinstance(closing.decided, int) else 0
    if newest.number <= since or newest.step >= spec.schedule.total_steps:
        return None
    counters = Counters(max(0, spec.backoff_limit - 1), MOST_BLAMED)
    reason = "comes back after it failed"
    if not spec.exploit.rule.never_replaces:
        return _of_donor(history, spec, member, counters=counters, reason=reason)
    drawn = sample(spec, member=member, round_number=newest.number)
    return _by_itself(
        history, spec, member, drawn=drawn, seed_round=newest.number, counters=counters, reason=reason
    )


def retried(history: History, spec: Spec, member: int, *, incarnation: int) -> Birth | None:
    """The birth by which a member tries again where a population that failed is continued; None if it needs none.

    Those need one that had failed, and, if nobody has ever reported, all whose process had ended: also where
    an operator that died hasn't written what follows. Their counters begin again.

    Args:
        history: what is known.
        spec: what is asked.
        member: which one.
        incarnation: its newest one when the population failed; whoever was born since has come back.
    """
    newest = history.newest_birth(member)
    if newest is None or newest.incarnation != incarnation or member >= spec.members:
        return None
    has_ended = newest.cause in AFTER_CRASHES or history.ends.get(newest.life) is not None
    if newest.cause is Cause.FAILED or (has_ended and not history.has_reported):
        return again(history, spec, member)
    return None


def again(history: History, spec: Spec, member: int) -> Birth:
    """A member's next birth with nothing held against it.

    From a donor of the newest round, unchanged, if there is one and steps are left; else from its own newest record;
    else as the population began.
    """
    newest, total = history.newest_round, spec.schedule.total_steps
    reason = "tries again after the population failed"
    if newest is not None and newest.step < total and not spec.exploit.rule.never_replaces:
        copied = _of_donor(history, spec, member, counters=Counters(), reason=reason)
        if copied is not None:
            return copied
    first = births.first(spec, member=member).hyperparameters
    return _by_itself(history, spec, member, drawn=first, seed_round=0, counters=Counters(), reason=reason)


def joined(history: History, spec: Spec, member: int, *, reason: str) -> Birth:
    """The birth of a slot that is new or came back where nobody copies: from its own newest record, or drawn."""
    number = history.decided
    return _by_itself(
        history,
        spec,
        member,
        drawn=sample(spec, member=member, round_number=number),
        seed_round=number,
        counters=Counters.carried(history, member),
        reason=reason,
        is_through=True,
    )


def _by_itself(
    history: History,
    spec: Spec,
    member: int,
    *,
    drawn: Mapping[str, Value],
    seed_round: int,
    counters: Counters,
    reason: str,
    is_through: bool = False,
) -> Birth:
    """From the member's own newest record; else from the start, with hyperparameters that were drawn for a round.

    The record of its last step counts only if it may be through with that.
    """
    previous, total = history.newest_birth(member), spec.schedule.total_steps
    own = next((one for one in reversed(history.counting(member)) if one.step < total or is_through), None)
    begins = "begins again" if previous is not None else "begins with what was drawn"
    return Birth(
        member=member,
        incarnation=previous.incarnation + 1 if previous is not None else 1,
        cause=Cause.SCALE,
        hyperparameters=dict(drawn) if own is None else own.hyperparameters,
        start_step=0 if own is None else own.step,
        previous_step=history.position(member),
        source=None if own is None else own.source,
        seed_round=seed_round if own is None else history.decided,
        crashes=counters.crashes,
        blamed=counters.recorded_blame,
        sub_population=part_of(history, spec, member),
        reason=f"{reason}; {begins if own is None else 'continues from its own newest record'}",
    )


def _of_donor(history: History, spec: Spec, member: int, *, counters: Counters, reason: str) -> Birth | None:
    return births.from_donor(
        history,
        spec=spec,
        member=member,
        cause=Cause.SCALE,
        explores=False,
        counters=counters,
        reason=reason,
    )
