"""Makes a status of what is known: the same for records alone, for a result and for a running cluster."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_contract.text import abridged
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.forecast import forecast_of
from pbt_operator.core.history import History
from pbt_operator.core.horizon import due, following
from pbt_operator.core.outcome import done_words, finished
from pbt_operator.core.parts_now import part_now, part_statuses
from pbt_operator.core.rule_words import exploit_words, explore_words
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import (
    NOT_SCORED,
    Best,
    MemberState,
    MemberStatus,
    PopulationPhase,
    SecondsSpent,
    Status,
    Steps,
    Takeovers,
)
from pbt_operator.core.takeovers import TakeoverCount

_CLOSED = {Cause.FAILED: MemberState.FAILED, Cause.REMOVED: MemberState.REMOVED}


def status_of(
    history: History,
    ledger: Ledger,
    spec: Spec,
    *,
    phase: PopulationPhase,
    reason: str = "",
    message: str = "",
    rounds: int,
    activity: Callable[[int], MemberState],
    members: Sequence[int] = (),
    longest_reason: int | None = None,
) -> Status:
    """The status.

    Args:
        history: what is known of members and rounds.
        ledger: what was counted.
        spec: what is asked.
        phase: how the population stands as a whole.
        reason: why, as one word.
        message: why, for people.
        rounds: how many are decided.
        activity: what a member's process does, see `state_of`.
        members: those to tell of, in this order; all of them where there is none.
        longest_reason: cut a member's reason after so many characters.
    """
    return Status(
        phase=phase,
        reason=reason,
        message=message,
        best=Best.of(history.best(spec.objective)),
        final=Best.of(history.final(spec.objective)),
        members=_members(history, spec, members, activity, longest_reason),
        rounds=rounds,
        exploits=ledger.num_exploits,
        births=ledger.num_births,
        takeovers=_takeovers(ledger.takeovers),
        steps=_steps(ledger, history, spec),
        seconds=seconds_of(ledger),
        forecast=UNSET if phase.ended else forecast_of(history, spec, going_on(history, spec)),
        **_plan(history, spec, phase),
        **_rules(spec),
    )


def _plan(history: History, spec: Spec, phase: PopulationPhase) -> dict[str, Any]:
    """When losers are replaced next."""
    parts = part_statuses(history, spec, ended=phase.ended) if spec.sub_populations else UNSET
    return {"due": _due(history, spec, phase), "sub_populations": parts}


def _rules(spec: Spec) -> dict[str, Any]:
    """Who copies whom and when, and who chose that."""
    exploit, explore = exploit_words(spec.exploit), explore_words(spec.explore)
    return {"strategy": spec.strategy, "exploit": exploit, "explore": explore}


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


def rounds_behind(history: History, spec: Spec) -> int:
    """The newest round that is decided; the last one where all members that are left have done their last step."""
    through = any(finished(history, member, spec) for member in history.members)
    return spec.schedule.last_round if through and not going_on(history, spec) else history.decided


def claimed_activity(history: History, claimed: Collection[Life]) -> Callable[[int], MemberState]:
    """What a member's process does as far as records tell: it trains if its newest birth is claimed."""

    def activity(member: int) -> MemberState:
        birth = history.newest_birth(member)
        return MemberState.TRAINING if birth is not None and birth.life in claimed else MemberState.WAITING

    return activity


def _members(
    history: History,
    spec: Spec,
    members: Sequence[int],
    activity: Callable[[int], MemberState],
    longest_reason: int | None,
) -> list[MemberStatus]:
    return [
        _member(history, member, spec, active=activity(member), longest_reason=longest_reason)
        for member in members or history.members
    ]


def _member(
    history: History, member: int, spec: Spec, *, active: MemberState, longest_reason: int | None
) -> MemberStatus:
    birth = history.newest_birth(member)
    assert birth is not None, "a member has a birth"
    reason = _reason(history, birth, spec)
    return MemberStatus(
        member=member,
        incarnation=birth.incarnation,
        state=state_of(history, member, spec, active=active),
        step=history.position(member),
        score=history.score(member, spec.objective),
        hyperparameters=birth.hyperparameters,
        sub_population=part_now(history, spec, birth),
        parent=birth.source,
        reason=reason if longest_reason is None else abridged(reason, longest_reason),
    )


def _reason(history: History, birth: Birth, spec: Spec) -> str:
    own = history.own_record(birth.member)
    reports = history.line_reports(birth.member)
    if reports and reports[-1].is_unscored(spec.objective.metric) and not history.has_ended(birth.member):
        return f"{NOT_SCORED}: its report of step {reports[-1].step} has too few evaluations; {birth.reason}"
    if own is None or not own.ends:
        return birth.reason
    return done_words(own.ending, step=own.step)


def _due(history: History, spec: Spec, phase: PopulationPhase) -> int | UnsetType:
    percent, schedule = spec.exploit.horizon_percent, spec.schedule
    if phase.ended or not percent:
        return UNSET
    planned = due(history.newest_round, percent, schedule)
    while planned < schedule.last_round and not schedule.decides(planned):  # it is within burn-in
        planned = following(planned, percent, schedule)
    return planned if planned < schedule.last_round else UNSET


def _takeovers(counted: TakeoverCount) -> Takeovers | UnsetType:
    """Absent where no process may take births over in place, or none had to yet."""
    if not counted.in_place + counted.anew:
        return UNSET
    return Takeovers(in_place=counted.in_place, anew=counted.anew, why=counted.why)


def _steps(ledger: Ledger, history: History, spec: Spec) -> Steps:
    total, going = spec.schedule.total_steps, going_on(history, spec)
    remaining = sum(max(0, total - history.position(member)) for member in going)
    recorded = {"productive": ledger.productive, "discarded": ledger.discarded}
    return Steps(**recorded, remaining=remaining, waiting=remaining)


def seconds_of(ledger: Ledger) -> SecondsSpent | UnsetType:
    """The time that records tell of; absent while some are known by their names only."""
    if not ledger.is_whole:
        return UNSET
    uses = SecondsSpent.__struct_fields__
    return SecondsSpent(**{use: round(getattr(ledger.spent, use), 1) for use in uses})


def going_on(history: History, spec: Spec) -> list[int]:
    """The members that still have steps before them."""
    births = [birth for member in history.members if (birth := history.newest_birth(member)) is not None]
    return [b.member for b in births if not b.cause.closes and not finished(history, b.member, spec)]
