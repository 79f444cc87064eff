"""What keeps a pod's trainer from starting, as far as the pod's status says: what is wrong, and what only takes long.

Init containers and native sidecars start one after the other and before the trainer, so the first of them that isn't
through explains the wait. Volumes come before all containers, and of them a status says nothing but that they lack.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pbt_operator.runners.kubernetes.run_times import posix_of, seconds_since

SLOW_SECONDS = 60.0  # what takes less isn't worth a word
IMAGE = "correct the image in spec.template, or give the pods imagePullSecrets"
NAMED = "create what it names, or correct spec.template"
TEMPLATE = "correct spec.template"
REMEDIES = {
    "ErrImagePull": IMAGE,
    "ImagePullBackOff": IMAGE,
    "InvalidImageName": IMAGE,
    "ErrImageNeverPull": IMAGE,
    "CreateContainerConfigError": NAMED,
    "CreateContainerError": TEMPLATE,
    "RunContainerError": TEMPLATE,
}
"""By the kubelet's reasons for a container that waits, and that no waiting cures."""
DEADLINE = "DeadlineExceeded"
DEADLINE_WORDS = (
    "DeadlineExceeded: the pod ran longer than activeDeadlineSeconds in spec.template allows; raise it"
)
NOT_READY = "PodReadyToStartContainers"


@dataclass(frozen=True, slots=True)
class Holdup:
    """What a trainer waits for.

    Attributes:
        message: what it is.
        remedy: what to do about it; empty where it only takes long.
        since: POSIX time from when on it has been so; None where nobody says so.
        hint: where more may be said of what takes long.
    """

    message: str
    remedy: str = ""
    since: float | None = None
    hint: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether no waiting cures it."""
        return bool(self.remedy)

    def slow_words(self, now: float) -> str:
        """What takes so long; empty where it doesn't, or where it is more than slow."""
        waited = seconds_since(self.since, now)
        if self.is_wrong or waited is None or waited < SLOW_SECONDS:
            return ""
        hint = f" (see {self.hint})" if self.hint else ""
        return f"{self.message} for {int(waited // 60)} min{hint}"


def holdup_of(body: Mapping[str, Any], trainer: Mapping[str, Any]) -> Holdup | None:
    """What the trainer of a pod waits for; None where it runs or is over, or where the pod has no node yet.

    Args:
        body: the pod's resource.
        trainer: the status of the container that trains; empty where there is none yet.
    """
    status = body.get("status") or {}
    state = trainer.get("state") or {}
    if "running" in state or "terminated" in state or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    for container, known in _before_the_trainer(body):
        held = _initial(body, container, known)
        if held is not None:
            return held
        if not _is_through(container, known):
            break
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in REMEDIES:
        return Holdup(joined(waiting), REMEDIES[waiting["reason"]])
    placed = condition_of(status, "PodScheduled")
    if placed.get("status") != "True":
        return None
    since = posix_of(placed.get("lastTransitionTime"))
    hint = f"kubectl describe pod {body['metadata']['name']}"
    if condition_of(status, NOT_READY).get("status") == "False":
        return Holdup("its volumes or its network have not been ready", since=since, hint=hint)
    return Holdup("its images have been pulled and its containers made", since=since, hint=hint)


def failed_init(body: Mapping[str, Any]) -> str:
    """Which init container ended a pod before its trainer ran, and how; empty if none did."""
    for container, known in _before_the_trainer(body):
        ended = (known.get("state") or {}).get("terminated")
        if ended is not None and ended.get("exitCode") != 0 and not _is_sidecar(container):
            return _ended_words(container, ended, times=1)
    return ""


def sidecar_in_trouble(body: Mapping[str, Any]) -> str:
    """Which other container of a pod doesn't run though it should, and why; empty if none."""
    for known in (body.get("status") or {}).get("containerStatuses") or ():
        waiting = (known.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in REMEDIES or waiting.get("reason") == "CrashLoopBackOff":
            return f"container {known['name']}: {joined(waiting)}"
    return ""


def _initial(
    body: Mapping[str, Any], container: Mapping[str, Any], known: Mapping[str, Any]
) -> Holdup | None:
    """What holds an init container or native sidecar up; None if it is through, or waits for those before it."""
    name, state = _named(container), known.get("state") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in REMEDIES:
        return Holdup(f"{name}: {joined(waiting)}", REMEDIES[waiting["reason"]])
    failed = state.get("terminated") or (known.get("lastState") or {}).get("terminated")
    if not _is_sidecar(container):  # then the whole pod is over
        failed = None
    if failed is not None and failed.get("exitCode") != 0 and not _is_through(container, known):
        log = f"kubectl logs {body['metadata']['name']} -c {container['name']}"
        return Holdup(
            _ended_words(container, failed, times=int(known.get("restartCount") or 0) or 1), f"see {log}"
        )
    if "running" in state and not _is_through(container, known):
        doing = "hasn't passed its startup probe" if _is_sidecar(container) else "has run"
        return Holdup(f"{name} {doing}", since=posix_of(state["running"].get("startedAt")))
    return None


def _ended_words(container: Mapping[str, Any], ended: Mapping[str, Any], *, times: int) -> str:
    reason = ended.get("reason")
    why = f" ({reason})" if reason not in {None, "Error", "Completed"} else ""
    often = f" {times} times" if times > 1 else ""
    last = str(ended.get("message") or "").strip()
    told = f"{_named(container)} ended with exit code {ended.get('exitCode')}{why}{often}"
    return f"{told}: {last}" if last else told


def _before_the_trainer(body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Init containers and native sidecars in their order, each with its status."""
    statuses = (body.get("status") or {}).get("initContainerStatuses") or ()
    known = {status["name"]: status for status in statuses}
    for container in (body.get("spec") or {}).get("initContainers") or ():
        yield container, known.get(container["name"], {})


def _named(container: Mapping[str, Any]) -> str:
    return f"{'sidecar' if _is_sidecar(container) else 'init container'} {container['name']}"


def _is_sidecar(container: Mapping[str, Any]) -> bool:
    return container.get("restartPolicy") == "Always"


def _is_through(container: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether the next container may start."""
    if _is_sidecar(container):
        return bool(known.get("started"))
    ended = (known.get("state") or {}).get("terminated") or {}
    return ended.get("exitCode") == 0


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One condition of a pod; empty where it has none of that type."""
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def joined(source: Mapping[str, Any]) -> str:
    """Reason and message, as far as there are some."""
    return ": ".join(str(source[key]) for key in ("reason", "message") if source.get(key))
