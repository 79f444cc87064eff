"""The operator's pods, as watches of the API server show them: one thread for each namespace, or one for the cluster.

kopf shows the Populations. Of a pod only a `SeenPod` is wanted, and kopf's way of showing an object, with a task, a
queue and a logger for each, takes several times the work: a thousand members make thousands of events a minute.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Any

from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable, TooOld
from pbt_operator.runners.kubernetes.pod_state import PodState, population_of, read
from pbt_operator.runners.kubernetes.pod_template import MANAGED_BY, MANAGER

SELECTOR = f"{MANAGED_BY}={MANAGER}"
PAUSE_SECONDS = 1.0  # between two watches, and after a fault
LOG = logging.getLogger(__name__)

Body = Mapping[str, Any]
Place = tuple[str, str]
"""A namespace, and a Population's uid."""


class PodInformer:
    """What all pods were like when they were shown last; safe to use from several threads.

    Attributes:
        has_listed: set once everything that was there at the start has been shown.
    """

    def __init__(
        self, api: Api, namespaces: Sequence[str], *, on_shown: Callable[[Body, bool, frozenset[str]], None]
    ) -> None:
        """Watches nothing yet.

        Args:
            api: where the pods are.
            namespaces: whose pods; none for the whole cluster.
            on_shown: called from a thread of the watch with a pod, whether it is gone, and the uids of the
                Populations that this concerns.
        """
        self._api, self._on_shown = api, on_shown
        self._scopes: list[str | None] = [*namespaces] or [None]
        self._lock, self._closing = Lock(), Event()
        self._listed: set[str | None] = set()
        self.has_listed = Event()
        self._pods: dict[Place, dict[str, PodState]] = {}
        self._places: dict[str | None, dict[str, Place | None]] = {scope: {} for scope in self._scopes}

    def start(self) -> None:
        """Begins to list and to watch."""
        for scope in self._scopes:
            Thread(target=self._follow, args=(scope,), name=f"pods of {scope or 'all'}", daemon=True).start()

    def close(self) -> None:
        """Shows nothing any more. The threads end with the process: they wait for a server that may be silent."""
        self._closing.set()

    def of(self, namespace: str, population: str) -> dict[str, PodState]:
        """The pods of a Population in its namespace, by uid."""
        with self._lock:
            return dict(self._pods.get((namespace, population), ()))

    def _follow(self, scope: str | None) -> None:
        version = told = ""
        while not self._closing.is_set():
            try:
                version = version or self._list(scope)
                for kind, body in self._api.watch_pods(scope, selector=SELECTOR, version=version):
                    version = body["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        self._show(scope, body, gone=kind == "DELETED")
                told = ""
            except TooOld:
                version = ""
            except (ApiUnavailable, ApiRefused) as error:
                if str(error) != told:  # a server that is away is asked each second
                    LOG.warning("can't watch pods, and goes on trying: %s", error)
                told = str(error)
            except Exception:  # a fault here must not end the watch, and in silence
                LOG.exception("can't watch pods")
                version = ""
            self._closing.wait(PAUSE_SECONDS)

    def _list(self, scope: str | None) -> str:
        """Shows what is there, and what isn't any more; returns the version from which on to watch."""
        version, known = "", dict(self._places[scope])
        for listed_at, bodies in self._api.listed_pods(scope, selector=SELECTOR):
            version = listed_at
            for body in bodies:
                known.pop(body["metadata"]["uid"], None)
                self._show(scope, body, gone=False)
        for uid in known:
            self._show(scope, {"metadata": {"uid": uid, "resourceVersion": version}}, gone=True)
        self._listed.add(scope)
        if self._listed.issuperset(self._scopes):
            self.has_listed.set()
        return version

    def _show(self, scope: str | None, body: Body, *, gone: bool) -> None:
        uid, places = body["metadata"]["uid"], self._places[scope]
        place, seen = (None, None) if gone else _seen(body)
        with self._lock:
            former = places.pop(uid, None)
            if former is not None:
                self._pods[former].pop(uid, None)
                if not self._pods[former]:
                    del self._pods[former]
            if not gone:
                places[uid] = place
            if place is not None and seen is not None:
                self._pods.setdefault(place, {})[uid] = seen
        if not self._closing.is_set():
            self._on_shown(body, gone, frozenset(p[1] for p in (former, place) if p is not None))


def _seen(body: Body) -> tuple[Place | None, PodState | None]:
    """Whose pod it is, and what it says; None if its labels aren't those of a member's pod."""
    try:
        population, seen = population_of(body), read(body)
    except Exception:  # one pod that can't be understood must not hide all others
        LOG.exception("can't read the pod %s", body["metadata"]["uid"])
        return None, None
    if population is None or seen is None:
        return None, None
    return (body["metadata"]["namespace"], population), seen
