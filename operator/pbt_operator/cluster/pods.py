"""Pods of a cluster: what the watch shows, what is there and it doesn't show yet, and the API's refusals."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pbt_operator.cluster.api import Api, ApiRefused
from pbt_operator.cluster.seen import SETTLED, SeenPod, read
from pbt_operator.pods import Phase, Pod
from pbt_trainer.records import Birth

UNSEEN_SECONDS = 120.0  # a watch that takes longer to show a pod is broken, and the liveness probe says so


@dataclass(frozen=True, slots=True)
class Unseen:
    """A pod that is there and isn't in the watch yet."""

    pod: Pod
    since: float


class ClusterPods:
    """The pods of one population.

    Attributes:
        refusal: why the API server doesn't take new pods; None if it did last time.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        selector: str,
        render: Callable[[Birth], dict[str, Any]],
        now: Callable[[], float],
    ) -> None:
        """Knows of no pods until `refresh`.

        Args:
            api: the API server.
            namespace: of the population and its pods.
            selector: the label that only its pods have.
            render: the pod's resource for a birth.
            now: POSIX time; the API's deletion times are compared with it.
        """
        self.refusal: ApiRefused | None = None
        self.render = render
        self._api, self._namespace, self._selector, self._now = api, namespace, selector, now
        self._seen: Mapping[str, SeenPod] = {}
        self._unseen: dict[str, Unseen] = {}
        self._stopped: dict[str, Pod] = {}
        self._forgotten: set[str] = set()
        self._incomplete = (
            False  # there may be pods that neither the watch has shown nor this process has counted
        )

    def refresh(self, seen: Mapping[str, SeenPod]) -> None:
        """Takes what the watch shows now, by uid. To be called before each pass.

        Raises:
            ApiUnavailable: the watch lacks a pod, and nobody can tell now what is there.
        """
        self._seen = seen
        late = self._now() - UNSEEN_SECONDS
        self._unseen = {u: p for u, p in self._unseen.items() if u not in seen and p.since > late}
        self._forgotten &= {*seen, *self._stopped}
        if self._incomplete:
            self._look()

    def _look(self) -> None:
        """Lists what is there, past the watch."""
        found = map(read, self._api.pods_of(self._namespace, selector=self._selector))
        there = {pod.pod.uid: pod.pod for pod in found if pod is not None and not pod.pod.ended}
        now = self._now()
        self._unseen = {uid: Unseen(pod, now) for uid, pod in there.items() if uid not in self._seen}
        self._incomplete = False

    def observe(self) -> Sequence[Pod]:
        """See `Pods.observe`. A pod that was stopped and is gone is shown as ended, until it is forgotten."""
        now = {uid: self._as_now(seen) for uid, seen in self._seen.items() if not seen.settled}
        now |= {uid: unseen.pod for uid, unseen in self._unseen.items()}
        gone = {u: replace(p, phase=Phase.ENDED) for u, p in self._stopped.items() if u not in self._seen}
        now |= {uid: pod for uid, pod in gone.items() if uid not in self._unseen}
        return [
            replace(pod, stopping=True) if uid in self._stopped else pod
            for uid, pod in now.items()
            if uid not in self._forgotten
        ]

    def _as_now(self, seen: SeenPod) -> Pod:
        if seen.is_lost(self._now()):
            return replace(seen.pod, phase=Phase.ENDED, disrupted=True, message="its node is lost")
        return seen.pod

    def vacant(self, members: Collection[int]) -> set[int]:
        """See `Pods.vacant`: asks the API server.

        Raises:
            ApiUnavailable: nobody can tell now.
        """
        if members:
            self._look()
        return set(members) - {pod.member for pod in self.observe() if not pod.ended}

    def start(self, birth: Birth) -> None:
        """See `Pods.start`. What the API server refuses is kept in `refusal` and tried again with the next pass."""
        body = self.render(birth)
        name = body["metadata"]["name"]
        former = next((seen for seen in self._seen.values() if seen.pod.name == name), None)
        if former is not None:
            if former.settled:  # it ended before it took the birth; the next pass starts the same pod again
                self._api.delete_pod(self._namespace, name, uid=former.pod.uid)
            return
        if any(unseen.pod.name == name for unseen in self._unseen.values()):
            return
        self._incomplete = True  # until the answer says what became of it
        try:
            created = self._api.create_pod(self._namespace, body)
        except ApiRefused as refused:
            self.refusal, self._incomplete = refused, False
            return
        self.refusal = None
        if created is not None:
            self._incomplete = False
            uid = created["metadata"]["uid"]
            self._unseen[uid] = Unseen(replace(Pod.pending(birth, uid=uid), name=name), self._now())

    def stop(self, pod: Pod) -> None:
        """See `Pods.stop`: a deletion, with the pod's own grace period."""
        if pod.stopping or pod.uid in self._stopped:
            return
        self._api.delete_pod(self._namespace, pod.name, uid=pod.uid)
        self._stopped[pod.uid] = pod

    def forget(self, pod: Pod) -> None:
        """See `Pods.forget`. The pod stays for its logs, unless something in it still runs; the one before it goes."""
        for uid, other in self._seen.items():
            if other.settled and other.pod.member == pod.member and uid != pod.uid:
                self._api.delete_pod(self._namespace, other.pod.name, uid=uid)
        seen = self._seen.get(pod.uid)
        if seen is not None and seen.is_lost(self._now()):
            self._api.delete_pod(self._namespace, pod.name, uid=pod.uid, grace_seconds=0)
        elif seen is not None and not pod.stopping and seen.alive:
            self._api.delete_pod(self._namespace, pod.name, uid=pod.uid)
        elif seen is not None and not pod.stopping:
            self._api.label_pod(self._namespace, pod.name, {SETTLED: "true"}, uid=pod.uid)
        self._stopped.pop(pod.uid, None)
        self._forgotten.add(pod.uid)

    @property
    def num_unseen(self) -> int:
        """Pods that were created and that the watch hasn't shown yet."""
        return len(self._unseen)

    def waiting(self) -> list[Pod]:
        """Pods that the cluster doesn't run, though they were asked for."""
        return [pod for pod in self.observe() if pod.phase is Phase.PENDING and pod.message]
