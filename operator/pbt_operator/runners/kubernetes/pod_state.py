"""What a pod's resource says about its trainer: that it waits, runs, is over or is lost."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pbt_contract.keys import Life
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.pod_template import (
    INCARNATION,
    MEMBER,
    POPULATION,
    POPULATION_UID,
    READDRESSED,
)
from pbt_operator.runners.kubernetes.pod_troubles import (
    DEADLINE,
    DEADLINE_WORDS,
    Holdup,
    condition_of,
    failed_init,
    holdup_of,
    joined,
    sidecar_in_trouble,
)
from pbt_operator.runners.kubernetes.run_times import posix_of, seconds_since

SETTLED = "pbt.dev/settled"
OUT_OF_MEMORY, EVICTED = "OOMKilled", "Evicted"
OWN_FAULT = re.compile(
    "exceeded its local ephemeral storage limit"
    "|local storage usage exceeds the total limit of containers"
    "|EmptyDir volume .* exceeds the limit"
)
"""The kubelet's words for limits of the pod itself; of a node under pressure it says what the node was low on."""
NODE_FAULT = re.compile(
    "context deadline exceeded|unable to freeze|no space left on device|too many open files"
    "|nvidia-container-cli: (initialization|detection|driver) error"
)
"""Why a node's container runtime couldn't start what it starts elsewhere. Any other reason may be the template's."""
MARK = "PBT_LOCATION"  # only the trainer's container has this variable
LOST_AFTER_SECONDS = 30.0  # past its deletion and its grace period, a kubelet that is alive has ended a pod
NO_FAULT = frozenset({
    EVICTED, "NodeShutdown", "NodeLost", "Terminated", "Preempting", "UnexpectedAdmissionError", "NodeAffinity",
})  # fmt: skip
FORMER = re.compile(r"\d{1,9}-\d{1,9}(,\d{1,9}-\d{1,9})*", re.ASCII)
UNPLACED = frozenset({"Unschedulable", "SchedulingGated"})


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
        running_since: since when its trainer runs.
        holdup: what its trainer waits for.
    """

    pod: Pod
    settled: bool
    alive: bool
    overdue_at: float | None
    unplaced_since: float | None = None
    placed_since: float | None = None
    running_since: float | None = None
    holdup: Holdup | None = None

    def is_lost(self, now: float) -> bool:
        """Whether its node can't have heard of its deletion."""
        return self.overdue_at is not None and now > self.overdue_at and not self.pod.ended

    def as_of(self, now: float) -> Pod:
        """The pod with what time makes of it."""
        if self.is_lost(now):
            return replace(self.pod, phase=Phase.ENDED, disrupted=True, message="its node is lost")
        unplaced, placed = seconds_since(self.unplaced_since, now), seconds_since(self.placed_since, now)
        return replace(
            self.pod,
            unplaced_for=unplaced,
            placed_for=placed,
            running_for=seconds_since(self.running_since, now),
            slow=self.holdup.slow_words(now) if self.holdup is not None else "",
        )


def population_of(body: Mapping[str, Any]) -> str | None:
    """The uid of the Population that a pod belongs to."""
    return (body["metadata"].get("labels") or {}).get(POPULATION_UID)


def read(body: Mapping[str, Any]) -> PodState | None:
    """Reads a pod; None if its labels aren't those of a member's pod."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    if (life := _life_of(labels)) is None:
        return None
    deleted = metadata.get("deletionTimestamp")
    trainer = _trainer_status(body, status)
    over = status.get("phase") in {"Succeeded", "Failed"}
    holdup, disruption = holdup_of(body, trainer), None
    if over and (words := _own_fault(status, trainer)):
        phase, exit_code, message = Phase.ENDED, None, words  # the code is that of the kill
    else:
        phase, exit_code, message = _phase(body, trainer, holdup, over=over)
        disruption = _taken_away(status, trainer, phase, deleted=deleted is not None)
        message = disruption or message if phase is not Phase.ENDED else message or disruption or ""
    pod = Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        member=life.member,
        incarnation=life.incarnation,
        readdressed=former_in((metadata.get("annotations") or {}).get(READDRESSED)),
        phase=phase,
        stopping=deleted is not None,
        disrupted=disruption is not None,
        exit_code=exit_code,
        message=message,
        remedy=holdup.remedy if holdup is not None else "",
        stuck=holdup is not None and holdup.is_wrong,
        unstarted=over and "terminated" not in (trainer.get("state") or {}) and failed_init(body) != "",
        out_of_memory=_is_out_of_memory(trainer),
        node=str((body.get("spec") or {}).get("nodeName") or ""),
        log=f"kubectl pbt logs {labels[POPULATION]} --member {life.member}" if POPULATION in labels else "",
    )
    return PodState(
        pod,
        settled=SETTLED in labels,
        alive=not over and _runs_on(status),
        overdue_at=None if (at := posix_of(deleted)) is None else at + LOST_AFTER_SECONDS,
        unplaced_since=_since(status, "False", of=UNPLACED),
        placed_since=_since(status, "True"),
        running_since=posix_of(((trainer.get("state") or {}).get("running") or {}).get("startedAt")),
        holdup=holdup,
    )


def former_noted(lives: Iterable[Life]) -> str:
    """How an annotation says for which lives a pod was before; see `former_in`."""
    return ",".join(f"{life.member}-{life.incarnation}" for life in lives)


def former_in(noted: str | None) -> tuple[Life, ...]:
    """The lives that such an annotation names; none where it is missing or says something else."""
    if noted is None or FORMER.fullmatch(noted) is None:
        return ()
    return tuple(Life(*map(int, life.split("-"))) for life in noted.split(","))


def _life_of(labels: Mapping[str, str]) -> Life | None:
    """Whose pod it is; None if the labels don't say so."""
    try:
        return Life(int(labels[MEMBER]), int(labels[INCARNATION]))
    except (KeyError, ValueError):
        return None


def _since(status: Mapping[str, Any], value: str, *, of: Container[str] | None = None) -> float | None:
    """When PodScheduled took a value, for one of these reasons; None if it has another one, or doesn't tell when."""
    condition = condition_of(status, "PodScheduled")
    is_so = condition.get("status") == value and (of is None or condition.get("reason") in of)
    return posix_of(condition.get("lastTransitionTime")) if is_so else None


def _runs_on(status: Mapping[str, Any]) -> bool:
    """Whether a container isn't over. The phase of a pod follows its last container's end only a moment later."""
    return any("terminated" not in (c.get("state") or {}) for c in status.get("containerStatuses") or ())


def _trainer_status(body: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = body.get("spec", {}).get("containers", [])
    names = {c["name"] for c in containers if any(e.get("name") == MARK for e in c.get("env") or ())}
    found = (s for s in status.get("containerStatuses") or () if s["name"] in names)
    return next(found, {})


def _phase(
    body: Mapping[str, Any], trainer: Mapping[str, Any], holdup: Holdup | None, *, over: bool
) -> tuple[Phase, int | None, str]:
    """How far the trainer is, its exit code, and its last lines or why it doesn't run."""
    status, state = body.get("status") or {}, trainer.get("state") or {}
    ended = state.get("terminated")
    if ended is not None:
        return Phase.ENDED, ended.get("exitCode"), _last_words(ended)
    if over:
        return Phase.ENDED, None, joined(status) or failed_init(body)
    if "running" in state:
        return Phase.RUNNING, None, sidecar_in_trouble(body)
    if "waiting" in state and state["waiting"].get("reason") not in {"ContainerCreating", "PodInitializing"}:
        return Phase.PENDING, None, joined(state["waiting"])
    unplaced = condition_of(status, "PodScheduled")
    if unplaced.get("status") == "False":
        return Phase.PENDING, None, joined(unplaced)
    return Phase.PENDING, None, holdup.message if holdup is not None and holdup.is_wrong else ""


def _last_words(ended: Mapping[str, Any]) -> str:
    """The last lines of a container's output. The kubelet puts them into the message of one that failed."""
    if ended.get("reason") == OUT_OF_MEMORY:
        return "killed for memory (OOMKilled): raise resources.limits.memory"
    return str(ended.get("message") or "").strip()


def _own_fault(status: Mapping[str, Any], trainer: Mapping[str, Any]) -> str:
    """By which limit of its own a pod was ended, on a node that lacks nothing; empty if by none."""
    if status.get("reason") == EVICTED and OWN_FAULT.search(str(status.get("message") or "")) is not None:
        return joined(status)
    ended = (trainer.get("state") or {}).get("terminated") or {}
    is_through = ended.get("exitCode") == 0  # then its time was over for a sidecar
    return DEADLINE_WORDS if status.get("reason") == DEADLINE and not is_through else ""


def _taken_away(
    status: Mapping[str, Any], trainer: Mapping[str, Any], phase: Phase, *, deleted: bool
) -> str | None:
    """Who ends, or has ended, a pod through no fault of its own; None if nobody.

    It is said as soon as it is deleted, for the watch may show it no more between its end and its removal.
    """
    if phase is Phase.ENDED:
        return _disruption(status, trainer)
    return _doom(status) if deleted else None


def _is_out_of_memory(trainer: Mapping[str, Any]) -> bool:
    ended = (trainer.get("state") or {}).get("terminated") or {}
    return ended.get("reason") == OUT_OF_MEMORY


def _disruption(status: Mapping[str, Any], trainer: Mapping[str, Any]) -> str | None:
    """By what a pod was ended that is nobody's fault; None if nothing says so."""
    reason = str(status.get("reason") or "")
    if reason in NO_FAULT or reason.startswith("OutOf"):
        return reason
    ended = (trainer.get("state") or {}).get("terminated") or {}
    return _doom(status) or _fault_of_node(ended)


def _fault_of_node(ended: Mapping[str, Any]) -> str | None:
    """What a node says of its own trouble: it was gone meanwhile, or couldn't start the trainer."""
    if ended.get("reason") == "ContainerStatusUnknown":
        return "NodeRestarted"
    is_unable = ended.get("reason") in {"StartError", "ContainerCannotRun"}
    return "StartError" if is_unable and NODE_FAULT.search(str(ended.get("message") or "")) else None


def _doom(status: Mapping[str, Any]) -> str | None:
    """What somebody who ends a pod through no fault of its own said before: Kubernetes' condition, or Kueue's."""
    for kind in ("DisruptionTarget", "TerminationTarget"):
        condition = condition_of(status, kind)
        if condition.get("status") == "True":
            return str(condition.get("reason") or kind)
    return None
