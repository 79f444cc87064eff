"""The bounded status of a Population: what people and machines see of it, the whole story being in the store."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from pbt_operator.api.status_schema import MAX_MEMBERS
from pbt_operator.cluster.conditions import Condition
from pbt_operator.cluster.experiment import Experiment
from pbt_operator.cluster.metrics import Observation
from pbt_operator.members import member_status, steps
from pbt_operator.pods import Phase, Pod
from pbt_operator.status import Best, MemberState, MemberStatus, PopulationPhase
from pbt_trainer.records import Cause

MAX_REASON = 500


def summarize(experiment: Experiment) -> dict[str, Any]:
    """Everything of the status but the times and conditions; fields that are not known yet are left out."""
    journal, spec = experiment.journal, experiment.reconciler.spec
    history, ledger = journal.history, journal.ledger
    assert ledger is not None, "an experiment counts from its start"
    members, live = members_of(experiment), live_pods(experiment)
    ready = sum(member.state is MemberState.TRAINING for member in members)
    best = Best.of(history.best(spec.objective))
    found = {
        "phase": phase_of(experiment),
        "replicas": len(live),
        "readyReplicas": ready,
        "location": experiment.store.url,
        "best": best,
        "bestScore": None if best is None else f"{best.score:.6g}",
        "final": Best.of(history.final(spec.objective)),
        "members": bounded(members, experiment),
        "rounds": history.decided,
        "exploits": ledger.num_exploits,
        "births": ledger.num_births,
        "failedMembers": sum(member.state is MemberState.FAILED for member in members),
        "steps": steps(ledger, history, spec),
    }
    return {name: without_nulls(msgspec.to_builtins(v)) for name, v in found.items() if v is not None}


def members_of(experiment: Experiment) -> list[MemberStatus]:
    """Every member, but for those that were scaled away."""
    history, spec, live = experiment.journal.history, experiment.reconciler.spec, live_pods(experiment)
    return [
        member_status(history, member, spec, active=_active(live.get(member)))
        for member in history.members
        if member < spec.members
    ]


def observe(experiment: Experiment, *, gpus: float) -> Observation:
    """How it stands, for the metrics; each pod has so many GPUs."""
    spec = experiment.reconciler.spec
    best = experiment.journal.history.best(spec.objective)
    return Observation(
        spec=spec,
        phase=phase_of(experiment),
        states=[member.state for member in members_of(experiment)],
        best=None if best is None else best.score,
        pods=experiment.pods.observe(),
        gpus=gpus,
    )


def live_pods(experiment: Experiment) -> dict[int, Pod]:
    """The pod of each member that hasn't ended."""
    return {pod.member: pod for pod in experiment.pods.observe() if not pod.ended}


def _active(pod: Pod | None) -> MemberState:
    if pod is None:
        return MemberState.WAITING
    if pod.stopping:
        return MemberState.STOPPING
    return MemberState.TRAINING if pod.phase is Phase.RUNNING else MemberState.STARTING


def bounded(members: list[MemberStatus], experiment: Experiment) -> list[MemberStatus]:
    """At most 32: those in trouble first, then the best."""
    objective = experiment.reconciler.spec.objective
    history = experiment.journal.history

    def order(member: MemberStatus) -> tuple[int, float, int]:
        birth = history.newest_birth(member.member)
        crashed = birth is not None and birth.cause in {Cause.CRASH, Cause.REPLACE}
        trouble = 0 if member.state is MemberState.FAILED else 1 if crashed else 2
        score = float("-inf") if member.score is None else objective.utility(member.score)
        return (trouble, -score, member.member)

    chosen = sorted(members, key=order)[:MAX_MEMBERS]
    return [msgspec.structs.replace(member, reason=member.reason[:MAX_REASON]) for member in chosen]


def phase_of(experiment: Experiment) -> PopulationPhase:
    """For people; the conditions are the API."""
    reconciler = experiment.reconciler
    if reconciler.outcome is not None:
        return reconciler.outcome.phase
    if reconciler.spec.suspend:
        return PopulationPhase.SUSPENDED
    started = any(pod.phase is Phase.RUNNING for pod in live_pods(experiment).values())
    trained = any(map(experiment.journal.history.records, experiment.journal.history.members))
    return PopulationPhase.RUNNING if started or trained else PopulationPhase.PENDING


def conditions_of(experiment: Experiment) -> Iterator[Condition]:
    """The conditions that follow from how the population stands."""
    outcome, suspended = experiment.reconciler.outcome, experiment.reconciler.spec.suspend
    for phase in (PopulationPhase.COMPLETE, PopulationPhase.FAILED):
        if outcome is not None and outcome.phase is phase:
            yield Condition(phase.value, "True", outcome.reason, outcome.message)
        else:
            yield Condition(phase.value, "False", "NotEnded" if outcome is None else outcome.reason)
    if suspended and outcome is None:
        yield Condition("Suspended", "True", "Suspended", "spec.suspend is true: no pods, no decisions")
    else:
        yield Condition("Suspended", "False", "NotSuspended")
    if outcome is not None:
        yield Condition("Progressing", "False", outcome.reason, outcome.message)
    elif suspended:
        yield Condition("Progressing", "False", "Suspended", "spec.suspend is true")
    else:
        yield _progress(experiment)


def _progress(experiment: Experiment) -> Condition:
    live = live_pods(experiment)
    training = sum(pod.phase is Phase.RUNNING for pod in live.values())
    running, refusal, waiting = bool(training), experiment.pods.refusal, experiment.pods.waiting()
    status: Literal["True", "False"] = "True" if running else "False"
    if refusal is not None:
        reason = "QuotaExceeded" if refusal.quota else "PodsRefused"
        return Condition("Progressing", status, reason, f"{training} pods run; no more: {refusal.message}")
    if waiting:
        told = f"{training} pods run, {len(waiting)} wait; {waiting[0].name}: {waiting[0].message}"
        return Condition("Progressing", status, "PodsWaiting", told)
    spec, history = experiment.reconciler.spec, experiment.journal.history
    told = f"round {history.decided} of {spec.schedule.last_round} is decided; {training} of {spec.slots} pods run"
    return Condition("Progressing", "True", "Training" if running else "Starting", told)


def without_nulls(value: Any) -> Any:
    """Leaves out what is null: the API server would prune it."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
