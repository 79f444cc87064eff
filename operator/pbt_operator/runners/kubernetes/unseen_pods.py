"""Pods that are there and that the watch doesn't show yet: believed in for seconds, then asked for by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pbt_operator.control.pods import Pod
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable, Missing
from pbt_operator.runners.kubernetes.pod_state import PodState

ASK_SECONDS = (
    5.0  # a watch shows a pod within a second or two; one that doesn't is asked about as often as this
)
MOST_ASKED = 8  # in a pass, one after the other: where the watch is broken, thousands may be unseen
UNSEEN_SECONDS = 120.0  # without any answer: a role that may not read a pod, say


@dataclass(frozen=True, slots=True)
class Unseen:
    """A pod that is there and isn't in the watch yet.

    Attributes:
        known_at: when the API server last said that it is there, POSIX time.
        asked_at: when it was last asked.
    """

    pod: Pod
    known_at: float
    asked_at: float


class UnseenPods:
    """The pods of one population that its watch lacks.

    One that was created and deleted before the watch began, or while it listed, is never shown: it would hold its slot
    for as long as it is believed in.

    Attributes:
        by_uid: what is believed to be there.
    """

    def __init__(self, api: Api, *, namespace: str) -> None:
        self.by_uid: dict[str, Unseen] = {}
        self._api, self._namespace = api, namespace
        self._gone: set[str] = set()  # a watch that lags may show them yet

    def add(self, pods: Iterable[Pod], *, now: float) -> None:
        """The API server has just said that these are there."""
        self.by_uid |= {pod.uid: Unseen(pod, now, now) for pod in pods}

    def refresh(self, seen: Mapping[str, PodState], *, now: float) -> Mapping[str, PodState]:
        """Drops what the watch shows, and what isn't there any more; returns what it shows of others."""
        self.by_uid = {uid: unseen for uid, unseen in self.by_uid.items() if uid not in seen}
        self._ask(now)
        late = now - UNSEEN_SECONDS
        self.by_uid = {uid: unseen for uid, unseen in self.by_uid.items() if unseen.known_at > late}
        if self._gone.isdisjoint(seen):
            return seen
        return {uid: found for uid, found in seen.items() if uid not in self._gone}

    def _ask(self, now: float) -> None:
        """Asks for those that nobody has asked for lately, the longest ago first."""
        due = [unseen for unseen in self.by_uid.values() if unseen.asked_at <= now - ASK_SECONDS]
        for unseen in sorted(due, key=lambda unseen: unseen.asked_at)[:MOST_ASKED]:
            uid = unseen.pod.uid
            self.by_uid[uid] = replace(unseen, asked_at=now)
            try:
                is_there = self._is_there(unseen.pod)
            except (ApiUnavailable, ApiRefused):
                return  # the others would fare no better
            if is_there:
                self.by_uid[uid] = replace(unseen, known_at=now, asked_at=now)
            else:
                del self.by_uid[uid]
                self._gone.add(uid)

    def _is_there(self, pod: Pod) -> bool:
        """Whether that very pod is; another may have its name by now."""
        try:
            return bool(self._api.pod(self._namespace, pod.name)["metadata"]["uid"] == pod.uid)
        except Missing:
            return False
