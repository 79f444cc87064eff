"""The operator's process: what its parts share, from the config file to the last pass."""

import asyncio
import logging
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from pbt_contract.errors import PbtError
from pbt_operator.runners.kubernetes import operator_log
from pbt_operator.runners.kubernetes.api import PLURAL, Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.health import Health, HealthServer
from pbt_operator.runners.kubernetes.memory_shares import MemoryShares
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_informer import SELECTOR, PodInformer
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.store_clients import client_of
from pbt_operator.runners.kubernetes.work_queue import WorkQueue

BEAT_SECONDS = 5.0
INSPECT_SECONDS = 30.0
FIRST_LIST_SECONDS = 0.05
PODS = "pods"
PLAIN = "whoever is on the way can read and change what trainers and the operator send; use https"
LOG = logging.getLogger(__name__)


class Process:
    """One operator.

    Attributes:
        config: from the config file.
        health: is told what the watches show.
        queue: the Populations, and the work on them.
    """

    def __init__(self, config: OperatorConfig, *, api: Api, instance: str) -> None:
        """Does nothing yet; see `open`. `instance` is the name of the operator's pod."""
        self.config, self._api = config, api
        self._posting = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._recorder = EventRecorder(api.create_event, instance=instance, worker=self._posting)
        self._metrics, self.health = Metrics(), Health(workers=config.workers)
        self._shares = MemoryShares(config.namespace_megabytes)
        self._server: HealthServer | None = None
        self._pods = PodInformer(api, config.namespaces, on_shown=self._pod_shown)
        self.queue = WorkQueue(
            controller_of=self._controller_of,
            # Those of its own namespace: in another one, anybody may label pods as they like.
            pods_of=lambda owner: self._pods.of(owner.namespace, owner.uid),
            workers=config.workers,
            around=self._around,
            on_gone=self._gone,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def open(cls, config: OperatorConfig, *, api: Api) -> "Process":
        """Serves the probes at once, and nothing else yet.

        Raises:
            OSError: the port is taken.
        """
        process = cls(config, api=api, instance=socket.gethostname())
        process._server = HealthServer.open(
            config.port, health=process.health, registry=process._metrics.registry
        )
        return process

    async def start(self) -> None:
        """Begins to look after itself. Populations come by `queue`."""
        await asyncio.to_thread(self._count_requests)  # clients read files
        self._loop = asyncio.get_running_loop()
        self._pods.start()
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._inspect())]

    async def close(self) -> None:
        """Ends after the passes that run. Trainers aren't touched."""
        for task in self._tasks:
            task.cancel()
        self._pods.close()
        await self.queue.close()
        await asyncio.to_thread(self._posting.shutdown)
        if self._server is not None:
            self._server.close()

    # what the watches show

    async def until_pods_are_listed(self) -> None:
        """Nothing is done about a Population before all pods were shown: what isn't seen would be created again."""
        while not self._pods.has_listed.is_set():
            await asyncio.sleep(FIRST_LIST_SECONDS)

    def _pod_shown(self, pod: Mapping[str, Any], gone: bool, populations: frozenset[str]) -> None:
        """From a thread of the watch."""
        self.health.saw(PODS, *version_of(pod["metadata"]), deleted=gone)
        assert self._loop is not None, "it has started"
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._wake, populations)

    def _wake(self, populations: frozenset[str]) -> None:
        for uid in populations:
            self.queue.wake(uid)

    # passes

    def _controller_of(self, owner: Owner) -> Controller:
        return Controller(
            owner,
            api=self._api,
            config=self.config,
            recorder=self._recorder,
            metrics=self._metrics,
            shares=self._shares,
        )

    def _gone(self, owner: Owner) -> None:
        self._metrics.forget(owner.namespace, owner.name)
        self._shares.give_back(owner)

    @contextmanager
    def _around(self, owner: Owner) -> Iterator[None]:
        with (
            operator_log.about(owner.namespace, owner.name),
            self.health.during(f"{owner.namespace}/{owner.name}"),
        ):
            yield

    # health

    def _count_requests(self) -> None:
        for store in self.config.stores:
            if store.is_plain:
                LOG.warning("store '%s': %s is not encrypted: %s", store.name, store.endpoint, PLAIN)
            try:
                self._metrics.count_requests(client_of(store), store=store.name)
            except PbtError as error:  # each Population that uses it says so in StorageReady
                LOG.error("%s", error)

    async def _beat(self) -> None:
        while True:
            self.health.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _inspect(self) -> None:
        """Compares what is there with what the watches have shown: a watch that is deaf looks like one that is idle."""
        while True:
            try:
                populations, pods = await asyncio.to_thread(self._list)
            except (ApiUnavailable, ApiRefused) as error:
                LOG.warning("can't list Populations and pods: %s", error)
            except Exception:  # a fault here must not end what readiness waits for, and in silence
                LOG.exception("can't list Populations and pods")
            else:
                self.health.listed(PLURAL, populations)
                self.health.listed(PODS, pods)
                if self.queue.uids >= set(populations):
                    self.health.become_ready()
            await asyncio.sleep(INSPECT_SECONDS if self.health.is_ready else 1.0)

    def _list(self) -> tuple[dict[str, int], dict[str, int]]:
        populations: dict[str, int] = {}
        pods: dict[str, int] = {}
        for namespace in self.config.namespaces or [None]:
            populations |= self._api.population_versions(namespace)
            pods |= self._api.pod_versions(namespace, selector=SELECTOR)
        return populations, pods


def version_of(metadata: Mapping[str, Any]) -> tuple[str, int]:
    """An object's uid and the version of it. Of one object the later version is the higher number."""
    return metadata["uid"], int(metadata["resourceVersion"])
