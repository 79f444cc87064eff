"""An API server's pods in memory, and a watch that lags behind them: what a real server shows too seldom."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from pbt_contract.records import Birth, Cause
from pbt_operator.runners.kubernetes.api_errors import Missing
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.pod_state import PodState, read

GRACE_SECONDS = 30.0

P = ParamSpec("P")
T = TypeVar("T")


def one_at_a_time(answer: "Callable[Concatenate[Server, P], T]") -> "Callable[Concatenate[Server, P], T]":
    """Requests come from several threads at once, as they come to a real server."""

    @wraps(answer)
    def locked(server: "Server", *args: P.args, **options: P.kwargs) -> T:
        with server.lock:
            return answer(server, *args, **options)

    return locked


class Server:
    """An API server's pods, and a watch that shows as much of what happened as it was let.

    Attributes:
        pods: as they are, by uid.
        refusing: what the next creations are refused with.
        away: what whoever asks for one pod is answered.
        requests: what was asked, in order.
    """

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.now = 1_000_000.0
        self.refusing: Exception | None = None
        self.away: Exception | None = None
        self.requests: list[tuple[str, ...]] = []
        self._happened: list[tuple[str, dict[str, Any] | None]] = []
        self._shown: dict[str, dict[str, Any]] = {}
        self._made = 0
        self.lock = RLock()

    # the operator's requests

    @one_at_a_time
    def create_pod(self, _namespace: str, body: dict[str, Any]) -> dict[str, Any] | None:
        name = body["metadata"]["name"]
        self.requests.append(("create", name))
        if self.refusing is not None:
            raise self.refusing
        if any(pod["metadata"]["name"] == name for pod in self.pods.values()):
            return None
        self._made += 1
        pod = deepcopy(body)
        pod["metadata"]["uid"] = f"uid-{self._made}"
        pod["status"] = {"phase": "Pending"}
        self._write(pod)
        return pod

    @one_at_a_time
    def pods_of(self, _namespace: str, *, selector: str) -> list[dict[str, Any]]:
        return list(self.pods.values())

    @one_at_a_time
    def pod(self, _namespace: str, name: str) -> dict[str, Any]:
        self.requests.append(("get", name))
        if self.away is not None:
            raise self.away
        found = [pod for pod in self.pods.values() if pod["metadata"]["name"] == name]
        if not found:
            raise Missing(f'pods "{name}" not found', status=404)
        return found[0]

    @one_at_a_time
    def delete_pod(self, _namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> None:
        self.requests.append(("delete", name) if grace_seconds is None else ("kill", name))
        pod = self.pods.get(uid)
        if pod is None:
            return
        if pod["status"]["phase"] == "Running" and grace_seconds is None:
            if "deletionTimestamp" not in pod["metadata"]:
                until = datetime.fromtimestamp(self.now + GRACE_SECONDS, UTC)
                pod["metadata"]["deletionTimestamp"] = until.isoformat()
            self._write(pod)
        else:
            self._remove(uid)

    @one_at_a_time
    def label_pod(
        self,
        _namespace: str,
        name: str,
        labels: dict[str, str],
        *,
        uid: str,
        annotations: dict[str, str] | None = None,
    ) -> None:
        self.requests.append(("label", name))
        for pod in self.pods.values():
            if pod["metadata"]["uid"] == uid:
                pod["metadata"]["labels"] |= labels
                if annotations:
                    pod["metadata"]["annotations"] = annotations
                self._write(pod)

    # the node

    def tell(self, uid: str, phase: str, state: dict[str, Any], **sidecars: dict[str, Any]) -> None:
        """The kubelet says how a pod, its trainer and its other containers are."""
        pod = self.pods[uid]
        states = {"trainer": state, **sidecars}
        statuses = [{"name": name, "state": found} for name, found in states.items()]
        pod["status"] = {**pod["status"], "phase": phase, "containerStatuses": statuses}
        self._write(pod)

    def end(self, uid: str, code: int = 0) -> None:
        """The trainer ends, and so does the pod; one that is deleted goes."""
        self.tell(uid, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code}})
        if "deletionTimestamp" in self.pods[uid]["metadata"]:
            self._remove(uid)

    # somebody else

    def evict(self, uid: str, condition: dict[str, str]) -> None:
        """Says why a pod has to go, and deletes it: its trainer ends within its grace period."""
        self.pods[uid]["status"]["conditions"] = [condition]
        self._write(self.pods[uid])
        self.delete_pod("team", "", uid=uid)

    # the watch

    @property
    def lag(self) -> int:
        """How much has happened that the watch hasn't shown."""
        return len(self._happened)

    def show(self, count: int | None = None) -> None:
        """The watch shows the next so many things that happened, or all."""
        count = len(self._happened) if count is None else count
        for uid, body in self._happened[:count]:
            if body is None:
                self._shown.pop(uid, None)
            else:
                self._shown[uid] = body
        self._happened = self._happened[count:]

    @property
    def seen(self) -> dict[str, PodState]:
        """What the operator's index holds."""
        found = {uid: read(body) for uid, body in self._shown.items()}
        return {uid: seen for uid, seen in found.items() if seen is not None}

    def _write(self, pod: dict[str, Any]) -> None:
        self.pods[pod["metadata"]["uid"]] = pod
        self._happened.append((pod["metadata"]["uid"], deepcopy(pod)))

    def _remove(self, uid: str) -> None:
        del self.pods[uid]
        self._happened.append((uid, None))


def render(birth: Birth) -> dict[str, Any]:
    labels = {"pbt.dev/member": str(birth.member), "pbt.dev/incarnation": str(birth.incarnation)}
    container = {"name": "trainer", "env": [{"name": "PBT_LOCATION", "value": "s3://b/x"}]}
    return {
        "metadata": {"name": f"digits-{birth.member}-{birth.incarnation}", "labels": labels},
        "spec": {"containers": [container]},
    }


def birth(member: int = 0, incarnation: int = 1) -> Birth:
    return Birth(
        member=member, incarnation=incarnation, cause=Cause.INITIAL, hyperparameters={}, reason="sampled"
    )


def pods_of(server: Server) -> ClusterPods:
    return ClusterPods(server, namespace="team", selector="", render=render, now=lambda: server.now)  # type: ignore[arg-type]


RUNNING: dict[str, Any] = {"running": {}}


def run_one(server: Server, pods: ClusterPods, which: Birth | None = None) -> str:
    """Starts a pod, which runs and is seen; returns its uid."""
    pods.start(which or birth())
    uid = list(server.pods)[-1]
    server.tell(uid, "Running", RUNNING)
    server.show()
    pods.refresh(server.seen)
    return uid
