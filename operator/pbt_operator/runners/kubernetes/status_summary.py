"""The bounded status of a Population: what people and machines see of it, the whole story being in the store."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pbt_contract.records import Cause
from pbt_operator.control.occupancy import not_joined
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.pods import Phase, Pod, activity
from pbt_operator.control.session import Session
from pbt_operator.core.cost import to_status
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Standing
from pbt_operator.core.spec import Restart
from pbt_operator.core.status import MAX_MEMBERS, RECORDS_ONLY, MemberState, PopulationPhase, Status
from pbt_operator.core.status_builder import rounds_behind, seconds_of, state_of, status_of
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.following import Observation
from pbt_operator.runners.kubernetes.start_words import (
    slow_words,
    start_events,
    unclaimed_words,
    waiting_among,
    waiting_words,
)
from pbt_operator.runners.kubernetes.status_writer import StatusWriter

MAX_REASON = 500
CRASHED = frozenset({Cause.CRASH, Cause.REPLACE})
INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")  # the scheduler's words
NOT_KNOWN = dict.fromkeys({*Status.__struct_encode_fields__, "bestScore"} - RECORDS_ONLY)
"""The fields that `summarize` may leave out, which the resource may have from before: there is no final checkpoint any
more, or no round in which losers are replaced next."""


@dataclass(frozen=True)
class Overview:
    """How a population stands after a pass; each part is worked out once, for all that tell of it.

    Attributes:
        done: what the pass said.
        pods: as the reconcile saw them last.
        live: the pod of each member that hasn't ended.
        states: by member, but for those that were scaled away.
        best: the best score ever.
        unclaimed: pods whose trainers have run for a while without having joined.
    """

    session: Session[ClusterPods]
    done: PassResult
    pods: Sequence[Pod]
    live: Mapping[int, Pod]
    states: Mapping[int, MemberState]
    best: Standing | None
    unclaimed: Sequence[Pod] = ()

    @property
    def num_running(self) -> int:
        """How many pods run."""
        return sum(pod.phase is Phase.RUNNING for pod in self.live.values())


def look(session: Session[ClusterPods], done: PassResult) -> Overview:
    """How it stands after that pass."""
    history, spec = session.repository.history, done.spec
    pods = session.pods.observe()
    live = {pod.member: pod for pod in pods if not pod.ended}
    members = (member for member in history.members if member < spec.members)
    return Overview(
        session,
        done,
        pods,
        live,
        states={m: state_of(history, m, spec, active=activity(live.get(m))) for m in members},
        best=history.best(spec.objective),
        unclaimed=not_joined(session.repository, live.values()) if done.outcome is None else (),
    )


def summarize(overview: Overview, *, poll_seconds: float) -> dict[str, Any]:
    """Everything of the status but the times and conditions; fields that are not known yet are left out."""
    session = overview.session
    repository, spec = session.repository, overview.done.spec
    history, ledger = repository.history, repository.history.ledger
    assert ledger is not None, "a session on a cluster counts from its start"
    states, ended = Counter(overview.states.values()), overview.done.result
    status = status_of(
        history,
        ledger,
        spec,
        phase=phase_of(overview),
        rounds=repository.rounds.num_decided,
        activity=lambda member: activity(overview.live.get(member)),
        members=shown(overview),
        longest_reason=MAX_REASON,
    )
    if ended is not None:
        status = ended.closing(status)
    cost = overview.done.usage.estimate(
        poll_seconds=poll_seconds, members=spec.members, in_place=spec.restart is Restart.IN_PLACE
    )
    cluster = {
        "replicas": len(overview.live),
        "readyReplicas": states[MemberState.TRAINING],
        "failedMembers": states[MemberState.FAILED],
        "progress": f"{rounds_behind(history, spec)}/{spec.schedule.last_round}",
        "running": f"{states[MemberState.TRAINING]}/{spec.slots}",
        "location": session.store.url,
        "bestScore": None if status.best is None else f"{status.best.score:.6g}",
        "requestCost": to_status(cost),
    }
    shared = {k: v for k, v in msgspec.to_builtins(status).items() if k not in RECORDS_ONLY}
    found: dict[str, Any] = without_nulls({**shared, **cluster})
    return found


def observe(overview: Overview) -> Observation:
    """How it stands, for the metrics."""
    ledger = overview.session.repository.history.ledger
    seconds = UNSET if ledger is None else seconds_of(ledger)
    history, spec = overview.session.repository.history, overview.done.spec
    return Observation(
        spec=spec,
        phase=phase_of(overview),
        states=list(overview.states.values()),
        best=None if overview.best is None else overview.best.score,
        rounds=overview.session.repository.rounds.num_decided,
        progress=min(1.0, rounds_behind(history, spec) / spec.schedule.last_round),
        seconds={} if isinstance(seconds, UnsetType) else msgspec.to_builtins(seconds),
        pods=overview.pods,
        devices=spec.devices,
    )


def shown(overview: Overview) -> list[int]:
    """At most 32 members: those in trouble first, then the best."""
    spec, history = overview.done.spec, overview.session.repository.history
    objective = spec.objective

    def order(member: int) -> tuple[int, float, int]:
        birth = history.newest_birth(member)
        crashed = birth is not None and birth.cause in CRASHED
        trouble = 0 if overview.states[member] is MemberState.FAILED else 1 if crashed else 2
        score = history.score(member, objective)
        return (trouble, float("inf") if score is None else -objective.utility(score), member)

    return nsmallest(MAX_MEMBERS, overview.states, key=order)


def phase_of(overview: Overview) -> PopulationPhase:
    """For people; the conditions are the API."""
    done, history = overview.done, overview.session.repository.history
    if done.outcome is not None:
        return done.outcome.phase
    if done.spec.suspend:
        return PopulationPhase.SUSPENDED
    has_begun = overview.num_running or has_trained(history)
    return PopulationPhase.RUNNING if has_begun else PopulationPhase.PENDING


def tell(overview: Overview, status_writer: StatusWriter) -> None:
    """Tells the conditions, and what keeps trainers from starting."""
    for condition in conditions_of(overview):
        status_writer.note(condition)
    if overview.done.outcome is None and not overview.done.spec.suspend:
        for event in start_events(list(overview.live.values()), overview.unclaimed):
            status_writer.tell(event)


def conditions_of(overview: Overview) -> Iterator[Condition]:
    """The conditions that follow from how the population stands."""
    outcome, suspended = overview.done.outcome, overview.done.spec.suspend
    for phase in (PopulationPhase.COMPLETE, PopulationPhase.FAILED):
        if outcome is not None and outcome.phase is phase:
            yield Condition(phase.value, "True", outcome.reason, outcome.message)
        else:
            yield Condition(phase.value, "False", "NotEnded" if outcome is None else outcome.reason)
    if outcome is not None and outcome.reason == "TrainersRefused":
        yield Condition("StorageReady", "False", "TrainersRefused", outcome.message)
    if suspended and outcome is None:
        yield Condition("Suspended", "True", "Suspended", "spec.suspend is true: no pods, no decisions")
    else:
        yield Condition("Suspended", "False", "NotSuspended")
    if outcome is not None:
        yield Condition("Progressing", "False", outcome.reason, outcome.message)
    elif suspended:
        yield Condition("Progressing", "False", "Suspended", "spec.suspend is true")
    else:
        yield _progress(overview)


def _progress(overview: Overview) -> Condition:
    session, training = overview.session, overview.num_running
    running, refusal, waiting = bool(training), session.pods.refusal, waiting_among(overview.pods)
    status: Literal["True", "False"] = "True" if running else "False"
    stuck = any(pod.stuck for pod in waiting)
    if running and overview.done.takes_turns is not None:
        told = refusal.message if refusal is not None else waiting[0].message if waiting else ""
        return replace(_shortage(overview, told), wrong=stuck)
    if refusal is not None:
        reason = "QuotaExceeded" if refusal.quota else "PodsRefused"
        told = f"{training} pods run; no more: {refusal.message}"
        return Condition("Progressing", status, reason, told, wrong=not refusal.quota)
    if waiting:
        told = f"{training} pods run, {waiting_words(waiting)}"
        return Condition("Progressing", status, "PodsWaiting", told, wrong=stuck)
    if overview.unclaimed:
        told = f"{training} pods run; {unclaimed_words(overview.unclaimed[0])}"
        return Condition("Progressing", "True", "NotJoined", told, wrong=len(overview.unclaimed) >= training)
    crashed = _crashed(overview)
    if not running and crashed:
        return Condition("Progressing", "False", "Crashing", f"0 pods run; {crashed}")
    spec, history = overview.done.spec, session.repository.history
    told = f"round {history.decided} of {spec.schedule.last_round} is decided; {training} of {spec.slots} pods run"
    if slow := slow_words(list(overview.live.values())):
        told += f"; {slow}"
    in_vain = bool(crashed) and not has_trained(history)
    return Condition("Progressing", "True", "Training" if running else "Starting", told, wrong=in_vain)


def has_trained(history: History) -> bool:
    """Whether anybody has recorded anything."""
    return history.decided > 0 or any(map(history.records, history.members))


def _crashed(overview: Overview) -> str:
    """Why the first member that is to start again after a crash has crashed; empty if there is none."""
    history = overview.session.repository.history
    for member in overview.states:
        birth = history.newest_birth(member)
        if birth is not None and birth.cause in CRASHED and history.own_record(member) is None:
            return f"member {member}: {birth.reason}"
    return ""


def _shortage(overview: Overview, told: str) -> Condition:
    """What is done where the cluster grants fewer pods than were asked for; `told` are its words."""
    slots, training = overview.done.spec.slots, overview.num_running
    lacking = INSUFFICIENT.search(told)
    what = lacking[1] if lacking else told or "room"
    said = f"{training} of {slots} run, {max(1, slots - training)} wait for {what}"
    if overview.done.takes_turns:
        return Condition("Progressing", "True", "TakingTurns", f"{said}; members take turns")
    cannot = "their processes can't go on as another member, so those that run keep their slots"
    return Condition("Progressing", "True", "TurnsNotPossible", f"{said}; {cannot}")


def without_nulls(value: Any) -> Any:
    """Leaves out what is null: the API server would prune it."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
