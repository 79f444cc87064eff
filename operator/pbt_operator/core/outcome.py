"""Whether a population has ended, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import UnsetType

from pbt_contract.records import Cause, Ending, Report
from pbt_contract.text import abridged, one_line
from pbt_operator.core.budget import Used, reached
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase

LONGEST_CAUSE = 100
"""Characters of a member's failure where others matter more; the member's own status has all of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    phase: PopulationPhase
    reason: str
    message: str


def finished(history: History, member: int, spec: Spec) -> bool:
    """Whether the member is through: it has made its last report or said that it is done, or its donor was through."""
    if history.has_ended(member):
        return True
    birth, record = history.newest_birth(member), history.newest_record(member)
    if birth is not None and birth.start_step >= spec.schedule.total_steps:
        return True
    return record is not None and record.round is not None and record.step >= spec.schedule.total_steps


def done_words(ending: Ending | UnsetType, *, step: int) -> str:
    """What is told of a member by the record that says it is done."""
    how = "its script said so" if ending is Ending.FINISHED else "its script left the loop"
    return f"done at step {step}: {how}"


def outcome_of(history: History, spec: Spec, *, used: Used) -> Outcome | None:
    """The outcome, once there is one."""
    newest = {m: history.newest_birth(m) for m in range(spec.members)}
    failed = _failed_now(history, spec)
    wished = _as_wished(history, spec)
    if wished is not None:
        return _as_it_is(wished, history, spec, failed)
    lost_too_many = _too_many(failed, history, spec)
    if lost_too_many is not None:
        return lost_too_many
    lost = set(failed)
    if all(m in lost or (newest[m] is not None and finished(history, m, spec)) for m in newest):
        done = Outcome(PopulationPhase.COMPLETE, "AllStepsDone", _all_through(history, spec, failed))
        return _as_it_is(done, history, spec, failed)
    return _spent(history, spec, used, failed)


def too_many_failed(history: History, spec: Spec) -> Outcome | None:
    """The end of a population that has more failed members than it may have; none of them comes back first."""
    return _too_many(_failed_now(history, spec), history, spec)


def _too_many(failed: Sequence[int], history: History, spec: Spec) -> Outcome | None:
    if spec.max_failed_members is not None and len(failed) > spec.max_failed_members:
        told = f"{len(failed)} members failed, above maxFailedMembers {spec.max_failed_members}. "
        return Outcome(PopulationPhase.FAILED, "TooManyFailedMembers", told + _causes(history, failed))
    if len(failed) == spec.members:
        return Outcome(PopulationPhase.FAILED, "AllMembersFailed", _causes(history, failed))
    return None


def _failed_now(history: History, spec: Spec) -> Sequence[int]:
    newest = {m: history.newest_birth(m) for m in range(spec.members)}
    return [m for m, birth in newest.items() if birth is not None and birth.cause is Cause.FAILED]


def _spent(history: History, spec: Spec, used: Used, failed: Sequence[int]) -> Outcome | None:
    """A limit is reached, training stands still, or it is too late."""
    found = reached(spec.limits, spec.plateau, spec.objective, used)
    if found is not None:
        return _as_it_is(Outcome(PopulationPhase.COMPLETE, *found), history, spec, failed)
    if spec.active_deadline_seconds is not None and used.active_seconds > spec.active_deadline_seconds:
        told = f"still running after activeDeadlineSeconds {spec.active_deadline_seconds:g}"
        return Outcome(PopulationPhase.FAILED, "DeadlineExceeded", told)
    return None


def _as_it_is(done: Outcome, history: History, spec: Spec, failed: Sequence[int]) -> Outcome:
    """What was done is Complete only with a best that can be kept, and says who failed on the way."""
    told = f"{done.message}{_lost(history, spec, failed)}"
    if _has_best(history, spec):
        return replace(done, message=told)
    nothing = f"no report has a finite {spec.objective.metric}, so there is no best checkpoint"
    return Outcome(PopulationPhase.FAILED, "NoFiniteScore", f"{nothing}; {told}")


def _has_best(history: History, spec: Spec) -> bool:
    return history.best(spec.objective) is not None


def _lost(history: History, spec: Spec, failed: Sequence[int]) -> str:
    if not failed:
        return ""
    causes = _causes(history, failed, longest=LONGEST_CAUSE)
    return f"; {len(failed)} of {spec.members} members failed ({causes})"


def _all_through(history: History, spec: Spec, failed: Sequence[int]) -> str:
    early = [member for member in range(spec.members) if history.has_ended(member)]
    early = [member for member in early if history.position(member) < spec.schedule.total_steps]
    left = "all members that are left" if failed else "all members"
    told = f"{left} are at step {spec.schedule.total_steps}"
    return f"{told}, but for {len(early)} whose scripts were done before" if early else told


def _as_wished(history: History, spec: Spec) -> Outcome | None:
    """The target is reached, or somebody asked to finish."""
    for member in history.members if spec.objective.target is not None else ():
        report = history.derived(member, ("target", spec.objective), lambda found: target_report(found, spec))
        if report is not None:
            score = report.score(spec.objective.metric)
            told = f"member {member} reached the target at step {report.step}: {score:.6g}"
            return Outcome(PopulationPhase.COMPLETE, "TargetReached", told)
    if spec.finish:
        return Outcome(PopulationPhase.COMPLETE, "Finished", "spec.finish is true: it was ended early")
    return None


def target_report(reports: Sequence[Report], spec: Spec) -> Report | None:
    """The report that reaches the target: a list's mean does alone, single evaluations only two in a row."""
    before = False
    for report in reports:
        score = report.score(spec.objective.metric)
        reached = score is not None and spec.objective.reached(score)
        if reached and (before or len(report.values(spec.objective.metric)) > 1):
            return report
        before = reached
    return None


def _causes(history: History, failed: Sequence[int], *, longest: int | None = None) -> str:
    """Why the first three failed."""
    births = [birth for member in failed[:3] if (birth := history.newest_birth(member)) is not None]
    reasons = [b.reason if longest is None else abridged(one_line(b.reason), longest) for b in births]
    told = [f"member {birth.member}: {reason}" for birth, reason in zip(births, reasons, strict=True)]
    return "; ".join(told)
