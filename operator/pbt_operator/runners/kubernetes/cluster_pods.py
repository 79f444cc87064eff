"""Pods of a cluster: what the watch shows, what is there and it doesn't show yet, and the API's refusals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from typing import Any

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.pod_requests import PodRequests, Request, all_tried
from pbt_operator.runners.kubernetes.pod_state import SETTLED, PodState, former_noted, read
from pbt_operator.runners.kubernetes.pod_template import READDRESSED, annotations_of, labels_of
from pbt_operator.runners.kubernetes.run_times import seconds_since
from pbt_operator.runners.kubernetes.unseen_pods import UnseenPods
from pbt_operator.runners.kubernetes.warning_events import WarningEvents

MOST_CHANGES = 128  # creations and deletions in a pass, so that the first are followed up soon
# Of those, deletions: a member whose pod is gone waits for the pass to end, and for its turn in the next. An eighth of
# many, which only follow one another so where all pods go and none takes their place.
MOST_DELETIONS, PART = 32, 8
MOST_FORMER = 2  # lives that a pod can have been for while its process started


@dataclass(frozen=True, slots=True)
class Relabelled:
    """The life that a pod was labelled with, those that the watch may show until then, and those that it was for."""

    before: frozenset[tuple[int, int]]
    now: tuple[int, int]
    former: tuple[Life, ...]


class ClusterPods:
    """The pods of one population.

    Attributes:
        refusal: why the API server doesn't take new pods; None if it did last time.
        num_left: how many creations and deletions the last block has left to the next pass.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        selector: str,
        render: Callable[[Birth], dict[str, Any]],
        now: Callable[[], float],
        reads_events: bool = False,
    ) -> None:
        """Knows of no pods until `refresh`.

        Args:
            api: the API server.
            namespace: of the population and its pods.
            selector: the label that only its pods have.
            render: the pod's resource for a birth.
            now: POSIX time; the API's deletion times are compared with it.
            reads_events: whether Events may be read where a pod doesn't say why it waits.
        """
        self.refusal: ApiRefused | None = None
        self._refused_since: float | None = None
        self.num_left, self.render = 0, render
        self._api, self._namespace, self._selector, self._now = api, namespace, selector, now
        self._warnings = WarningEvents(api, namespace=namespace, now=now, reads=reads_events)
        self._seen: Mapping[str, PodState] = {}
        self._unseen = UnseenPods(api, namespace=namespace)
        self._stopped, self._forgotten = dict[str, Pod](), set[str]()
        self._relabelled: dict[str, Relabelled] = {}
        self._unshown: Mapping[str, PodState] = {}  # that are over, when last listed, and in no watch yet
        self._doubtful = set[str]()  # pods that may be there, though neither watch nor answer showed them
        self._names: dict[str, PodState] = {}  # what the watch shows, by the pod's name
        self._over: dict[int, list[PodState]] = {}  # and the settled ones, by member
        self._queue: PodRequests | None = None

    def refresh(self, seen: Mapping[str, PodState]) -> None:
        """Takes what the watch shows now, by uid. To be called before each pass.

        Raises:
            ApiUnavailable: the watch lacks a pod, and nobody can tell now what is there.
        """
        seen = self._unseen.refresh(seen, now=self._now())
        self._stopped |= self._ended_unseen(seen)
        self._seen = seen
        self._names = {found.pod.name: found for found in seen.values()}
        self._over = {}
        for found in seen.values():
            if found.settled:
                self._over.setdefault(found.pod.member, []).append(found)
        self._forgotten &= {*seen, *self._stopped, *self._unseen.by_uid}
        self._relabelled = {
            uid: labels
            for uid, labels in self._relabelled.items()
            if uid in self._unseen.by_uid or (uid in seen and _life(seen[uid].pod) in labels.before)
        }
        if self._doubtful:
            self._look()
        pending = (state for state in seen.values() if state.pod.phase is Phase.PENDING)
        self._warnings.look(state.as_of(self._now()) for state in pending)

    def _ended_unseen(self, seen: Mapping[str, PodState]) -> dict[str, Pod]:
        """Pods that somebody else was ending, and that are gone before their end was accounted for."""
        gone = (s.pod for uid, s in self._seen.items() if uid not in seen and not s.settled)
        known = self._forgotten | self._stopped.keys()
        return {pod.uid: self._as_told(pod) for pod in gone if pod.disrupted and pod.uid not in known}

    def _look(self) -> None:
        """Lists what is there, past the watch."""
        found = map(read, self._api.pods_of(self._namespace, selector=self._selector))
        unseen = {
            s.pod.uid: s for s in found if s is not None and not s.settled and s.pod.uid not in self._seen
        }
        self._unseen.by_uid.clear()
        self._unseen.add((state.pod for state in unseen.values()), now=self._now())
        self._unshown = {uid: state for uid, state in unseen.items() if state.pod.ended}
        self._doubtful.clear()

    @contextmanager
    def during_pass(self, seen: Mapping[str, PodState], *, requests: int) -> Iterator[None]:
        """The block is one pass over what the watch shows: see `refresh` and `at_once`."""
        self.refresh(seen)
        with self.at_once(requests):
            yield

    @contextmanager
    def at_once(self, requests: int) -> Iterator[None]:
        """Holds the requests of the block back to its end, and makes so many of them at once.

        Of many creations and deletions some are left to the next pass: it will ask for them again, and meanwhile what
        this one has begun goes on.

        Raises:
            ApiUnavailable: one of them failed; the next pass makes it again.
        """
        self._queue, self.num_left = PodRequests(), 0
        try:
            yield
        except Exception:
            self._make(requests)  # what was decided before stands
            raise
        failed = self._make(requests)
        if failed:
            raise failed[0]

    def _make(self, requests: int) -> list[ApiUnavailable | ApiRefused]:
        """Makes the requests that were held back; returns what failed."""
        queue, self._queue = self._queue or PodRequests(), None
        failed = all_tried(queue.others, requests)
        if failed:  # a lost pod that isn't removed still holds its slot
            return failed
        deletions = max(MOST_DELETIONS, len(queue.deletions) // PART)
        changes = [*queue.creations, *queue.deletions[:deletions]][:MOST_CHANGES]
        self.num_left = len(queue.creations) + len(queue.deletions) - len(changes)
        return all_tried(changes, requests)

    def observe(self) -> Sequence[Pod]:
        """See `Pods.observe`. A pod that was stopped or evicted and is gone is shown as ended, until forgotten."""
        now = {uid: seen.as_of(self._now()) for uid, seen in self._seen.items() if not seen.settled}
        now |= {uid: unseen.pod for uid, unseen in self._unseen.by_uid.items()}
        gone = {u: replace(p, phase=Phase.ENDED) for u, p in self._stopped.items() if u not in self._seen}
        now |= {uid: pod for uid, pod in gone.items() if uid not in self._unseen.by_uid}
        shown = (pod for uid, pod in now.items() if uid not in self._forgotten)
        return [self._as_told(self._warnings.explained(pod)) for pod in shown]

    def _as_told(self, pod: Pod) -> Pod:
        """With what was asked of it and the watch may not show yet."""
        labels = self._relabelled.get(pod.uid)
        if labels is not None and _life(pod) in labels.before:
            pod = replace(pod, member=labels.now[0], incarnation=labels.now[1], readdressed=labels.former)
        return replace(pod, stopping=True) if pod.uid in self._stopped else pod

    @property
    def refused_for(self) -> float | None:
        """See `Pods.refused_for`."""
        is_quota = self.refusal is not None and self.refusal.quota
        return seconds_since(self._refused_since, self._now()) if is_quota else None

    def look_again(self) -> Sequence[Pod]:
        """See `Pods.look_again`: asks the API server.

        Raises:
            ApiUnavailable: nobody can tell now.
        """
        self._look()
        return self.observe()

    def start(self, birth: Birth) -> None:
        """See `Pods.start`. What the API server refuses is kept in `refusal` and tried again with the next pass."""
        body = self.render(birth)
        name = body["metadata"]["name"] = self._name_of(birth, body["metadata"]["name"])
        former = self._names.get(name)
        if former is not None:
            if former.settled:  # it ended before it took the birth; the next pass starts the same pod again
                again = partial(self._api.delete_pod, self._namespace, name, uid=former.pod.uid)
                self._later(lambda queue: queue.deletions, again)
        elif all(unseen.pod.name != name for unseen in self._unseen.by_uid.values()):
            self._later(lambda queue: queue.creations, partial(self._create, birth, body))

    def _name_of(self, birth: Birth, name: str) -> str:
        """The name that a birth's pod has by right, or the first free one after it where another life's pod has it."""
        unseen = {held.pod.name: held.pod for held in self._unseen.by_uid.values()}
        for candidate in chain((name,), (f"{name}-{number}" for number in count(2))):
            shown = self._names.get(candidate)
            holder = shown.pod if shown is not None else unseen.get(candidate)
            if holder is None or self._as_told(holder).life == birth.life:
                break
        return candidate

    def _later(self, which: Callable[["PodRequests"], list[Request]], request: Request) -> None:
        """Puts a request off to the end of the block, if there is one."""
        if self._queue is None:
            request()
        else:
            which(self._queue).append(request)

    def _create(self, birth: Birth, body: Mapping[str, Any]) -> None:
        name = body["metadata"]["name"]
        self._doubtful.add(name)  # until the answer says what became of it
        try:
            created = self._api.create_pod(self._namespace, body)
        except ApiRefused as refused:
            self.refusal = refused
            self._refused_since = self._now() if self._refused_since is None else self._refused_since
            self._doubtful.discard(name)
            return
        self.refusal = self._refused_since = None
        if created is not None:
            self._doubtful.discard(name)
            pod = replace(Pod.pending(birth, uid=created["metadata"]["uid"]), name=name)
            self._unseen.add((pod,), now=self._now())

    def relabel(self, pod: Pod, *, member: int, incarnation: int) -> None:
        """See `Pods.relabel`."""
        self._label(pod, member, incarnation, former=pod.readdressed)

    def readdress(self, pod: Pod, birth: Birth) -> None:
        """See `Pods.readdress`: its trainer is told what the labels and annotations are when it starts."""
        former = (pod.life, *pod.readdressed)[:MOST_FORMER]
        annotations = {**annotations_of(birth.hyperparameters), READDRESSED: former_noted(former)}
        self._label(pod, *birth.life, former=former, annotations=annotations)

    def _label(
        self, pod: Pod, member: int, incarnation: int, *, former: tuple[Life, ...], **noted: Any
    ) -> None:
        shown = self._seen.get(pod.uid)
        self._api.label_pod(self._namespace, pod.name, labels_of(member, incarnation), uid=pod.uid, **noted)
        before, last = {_life(shown.pod if shown is not None else pod)}, self._relabelled.get(pod.uid)
        if last is not None:  # the watch may show that one next
            before |= last.before | {last.now}
        now = (member, incarnation)
        self._relabelled[pod.uid] = Relabelled(frozenset(before - {now}), now, former)

    def stop(self, pod: Pod) -> None:
        """See `Pods.stop`: a deletion, with the pod's own grace period."""
        if not pod.stopping and pod.uid not in self._stopped:
            self._later(lambda queue: queue.deletions, partial(self._stop, pod))

    def _stop(self, pod: Pod) -> None:
        self._api.delete_pod(self._namespace, pod.name, uid=pod.uid)
        self._stopped[pod.uid] = pod

    def forget(self, pod: Pod) -> None:
        """See `Pods.forget`. The pod stays for its logs, unless something in it still runs; the one before it goes."""
        self._later(lambda queue: queue.others, partial(self._forget, pod))

    def _forget(self, pod: Pod) -> None:
        for other in self._over.get(pod.member, ()):
            if other.pod.uid != pod.uid:
                self._api.delete_pod(self._namespace, other.pod.name, uid=other.pod.uid)
        seen = self._seen.get(pod.uid) or self._unshown.get(pod.uid)
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
        return len(self._unseen.by_uid)


def _life(pod: Pod) -> tuple[int, int]:
    return pod.member, pod.incarnation
