"""What a pod's resource says about its trainer: that it waits, runs, is over or is lost."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER, POPULATION, POPULATION_UID

SETTLED = "pbt.dev/settled"
OUT_OF_MEMORY, EVICTED = "OOMKilled", "Evicted"
OWN_FAULT = re.compile(
    "exceeded its local ephemeral storage limit"
    "|local storage usage exceeds the total limit of containers"
    "|EmptyDir volume .* exceeds the limit"
)
"""The kubelet's words for limits of the pod itself; of a node under pressure it says what the node was low on."""
MARK = "PBT_LOCATION"  # only the trainer's container has this variable
LOST_AFTER_SECONDS = 30.0  # past its deletion and its grace period, a kubelet that is alive has ended a pod
NO_FAULT = frozenset({
    EVICTED, "NodeShutdown", "NodeLost", "Terminated", "Preempting", "UnexpectedAdmissionError", "NodeAffinity",
})  # fmt: skip
UNPLACED = frozenset({"Unschedulable", "SchedulingGated"})
STUCK = frozenset({
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a population, as the watch showed it last.

    Attributes:
        pod: in the words of the reconcile.
        settled: whether its end was accounted for.
        alive: whether some container of it may still run, a sidecar say.
        overdue_at: POSIX time from when on a pod that was deleted and still runs is lost; None if it wasn't deleted.
        unplaced_since: POSIX time since when no node is known for it, or its queue keeps it back.
        placed_since: since when it has a node.
    """

    pod: Pod
    settled: bool
    alive: bool
    overdue_at: float | None
    unplaced_since: float | None = None
    placed_since: float | None = None

    def is_lost(self, now: float) -> bool:
        """Whether its node can't have heard of its deletion."""
        return self.overdue_at is not None and now > self.overdue_at and not self.pod.ended

    def as_of(self, now: float) -> Pod:
        """The pod with what time makes of it."""
        if self.is_lost(now):
            return replace(self.pod, phase=Phase.ENDED, disrupted=True, message="its node is lost")
        unplaced, placed = seconds_since(self.unplaced_since, now), seconds_since(self.placed_since, now)
        return replace(self.pod, unplaced_for=unplaced, placed_for=placed)


def seconds_since(since: float | None, now: float) -> float | None:
    """How long it has been so; None where it isn't."""
    return None if since is None else max(0.0, now - since)


def population_of(body: Mapping[str, Any]) -> str | None:
    """The uid of the Population that a pod belongs to."""
    return (body["metadata"].get("labels") or {}).get(POPULATION_UID)


def read(body: Mapping[str, Any]) -> PodState | None:
    """Reads a pod; None if its labels aren't those of a member's pod."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    try:
        member, incarnation = int(labels[MEMBER]), int(labels[INCARNATION])
    except (KeyError, ValueError):
        return None
    deleted = metadata.get("deletionTimestamp")
    trainer = _trainer_status(body, status)
    over = status.get("phase") in {"Succeeded", "Failed"}
    phase, exit_code, message = _phase(status, trainer, over=over)
    disruption = None
    if over and _is_own_fault(status):  # the code is that of the kill
        phase, exit_code, message = Phase.ENDED, None, _joined(status)
    elif phase is Phase.ENDED:
        disruption = _disruption(status, trainer)
    elif deleted is not None:  # said now, for the watch may show it no more between its end and its removal
        disruption = _doom(status)
        message = disruption or message
    pod = Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        member=member,
        incarnation=incarnation,
        phase=phase,
        stopping=deleted is not None,
        disrupted=disruption is not None,
        exit_code=exit_code,
        message=message or disruption or "",
        stuck=_waiting_reason(trainer) in STUCK,
        out_of_memory=_is_out_of_memory(trainer),
        node=str((body.get("spec") or {}).get("nodeName") or ""),
        log=f"kubectl pbt logs {labels[POPULATION]} --member {member}" if POPULATION in labels else "",
    )
    return PodState(
        pod,
        settled=SETTLED in labels,
        alive=not over and _runs_on(status),
        overdue_at=None if deleted is None else _posix(deleted) + LOST_AFTER_SECONDS,
        unplaced_since=_since(status, "False", of=UNPLACED),
        placed_since=_since(status, "True"),
    )


def _since(status: Mapping[str, Any], value: str, *, of: Container[str] | None = None) -> float | None:
    """When PodScheduled took a value, for one of these reasons; None if it has another one, or doesn't tell when."""
    condition = _condition(status, "PodScheduled")
    is_so = condition.get("status") == value and (of is None or condition.get("reason") in of)
    changed = condition.get("lastTransitionTime") if is_so else None
    return None if changed is None else _posix(changed)


def _runs_on(status: Mapping[str, Any]) -> bool:
    """Whether a container isn't over. The phase of a pod follows its last container's end only a moment later."""
    return any("terminated" not in (c.get("state") or {}) for c in status.get("containerStatuses") or ())


def _trainer_status(body: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = body.get("spec", {}).get("containers", [])
    names = {c["name"] for c in containers if any(e.get("name") == MARK for e in c.get("env") or ())}
    found = (s for s in status.get("containerStatuses") or () if s["name"] in names)
    return next(found, {})


def _phase(
    status: Mapping[str, Any], trainer: Mapping[str, Any], *, over: bool
) -> tuple[Phase, int | None, str]:
    """How far the trainer is, its exit code, and its last lines or why it doesn't run."""
    state = trainer.get("state") or {}
    ended = state.get("terminated")
    if ended is not None:
        return Phase.ENDED, ended.get("exitCode"), _last_words(ended)
    if over:
        return Phase.ENDED, None, _joined(status)
    if "running" in state:
        return Phase.RUNNING, None, ""
    if "waiting" in state and state["waiting"].get("reason") not in {"ContainerCreating", "PodInitializing"}:
        return Phase.PENDING, None, _joined(state["waiting"])
    unplaced = _condition(status, "PodScheduled")
    return Phase.PENDING, None, _joined(unplaced) if unplaced.get("status") == "False" else ""


def _last_words(ended: Mapping[str, Any]) -> str:
    """The last lines of a container's output. The kubelet puts them into the message of one that failed."""
    if ended.get("reason") == OUT_OF_MEMORY:
        return "killed for memory (OOMKilled): raise resources.limits.memory"
    return str(ended.get("message") or "").strip()


def _is_own_fault(status: Mapping[str, Any]) -> bool:
    """Whether a pod was evicted for what it used itself beyond its limits, on a node that lacks nothing."""
    return status.get("reason") == EVICTED and OWN_FAULT.search(str(status.get("message") or "")) is not None


def _is_out_of_memory(trainer: Mapping[str, Any]) -> bool:
    ended = (trainer.get("state") or {}).get("terminated") or {}
    return ended.get("reason") == OUT_OF_MEMORY


def _disruption(status: Mapping[str, Any], trainer: Mapping[str, Any]) -> str | None:
    """By what a pod was ended that is nobody's fault; None if nothing says so."""
    reason = str(status.get("reason") or "")
    if reason in NO_FAULT or reason.startswith("OutOf"):
        return reason
    ended = (trainer.get("state") or {}).get("terminated") or {}
    restarted = "NodeRestarted" if ended.get("reason") == "ContainerStatusUnknown" else None
    return _doom(status) or restarted


def _doom(status: Mapping[str, Any]) -> str | None:
    """What somebody who ends a pod through no fault of its own said before: Kubernetes' condition, or Kueue's."""
    for kind in ("DisruptionTarget", "TerminationTarget"):
        condition = _condition(status, kind)
        if condition.get("status") == "True":
            return str(condition.get("reason") or kind)
    return None


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _waiting_reason(trainer: Mapping[str, Any]) -> str | None:
    return ((trainer.get("state") or {}).get("waiting") or {}).get("reason")


def _joined(source: Mapping[str, Any]) -> str:
    return ": ".join(str(source[key]) for key in ("reason", "message") if source.get(key))


def _posix(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
