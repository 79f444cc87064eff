"""The work queue: reconciles each Population in a thread when something happened or it is time, never twice at once."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.pod_state import PodState
from pbt_operator.runners.kubernetes.pod_template import Owner

SETTLE_SECONDS = 0.05  # one cause often shows in several events: they share a pass
LONGEST_SETTLE_SECONDS = 2.0
RETRY_SECONDS = 15.0
LOG = logging.getLogger(__name__)

Body = Mapping[str, Any]


@dataclass
class WorkItem:
    """One Population and the task that works on it.

    Attributes:
        body: the resource as the watch showed it last; None once it is gone.
    """

    owner: Owner
    controller: Controller
    body: Body | None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class WorkQueue:
    """All Populations that are driven here. To be used from the event loop only."""

    def __init__(
        self,
        *,
        controller_of: Callable[[Owner], Controller],
        pods_of: Callable[[Owner], Mapping[str, PodState]],
        workers: int,
        around: Callable[[Owner], AbstractContextManager[None]],
        on_gone: Callable[[Owner], None],
    ) -> None:
        """Works on nothing yet.

        Args:
            controller_of: makes the controller of a Population.
            pods_of: the pods that the watch shows of a Population.
            workers: how many passes run at once.
            around: what each pass runs in, in its thread.
            on_gone: called after the last pass.
        """
        self._controller_of, self._pods_of, self._around = controller_of, pods_of, around
        self._on_gone = on_gone
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pass")
        self._items: dict[str, WorkItem] = {}

    def add(self, body: Body) -> None:
        """A Population is there, or has changed: it is reconciled soon."""
        metadata = body["metadata"]
        item = self._items.get(metadata["uid"])
        if item is None:
            owner = Owner(name=metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"])
            item = self._items[owner.uid] = WorkItem(owner, self._controller_of(owner), body)
            item.task = asyncio.create_task(
                self._work(item), name=f"reconcile {owner.namespace}/{owner.name}"
            )
            return
        if item.body is None or _intent(item.body) != _intent(body):
            item.changed.set()
        item.body = body

    @property
    def uids(self) -> set[str]:
        """Of the Populations in the queue."""
        return set(self._items)

    def remove(self, uid: str) -> None:
        """A Population is gone."""
        item = self._items.pop(uid, None)
        if item is not None:
            item.body = None
            item.changed.set()

    def wake(self, uid: str) -> None:
        """Something happened to a pod of a Population."""
        item = self._items.get(uid)
        if item is not None:
            item.changed.set()

    async def close(self) -> None:
        """Waits for the passes that run; no other begins. Pods and resources are left as they are."""
        tasks = [item.task for item in self._items.values() if item.task is not None]
        for uid in list(self._items):
            self.remove(uid)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown()

    async def _work(self, item: WorkItem) -> None:
        loop = asyncio.get_running_loop()
        while (body := item.body) is not None:
            item.changed.clear()
            seen = self._pods_of(item.owner)  # here, where nothing changes it meanwhile
            seconds, busy = await loop.run_in_executor(self._threads, self._reconcile, item, body, seen)
            ended = loop.time()
            with suppress(TimeoutError):
                await asyncio.wait_for(item.changed.wait(), seconds)
            # While a thousand pods start, one event follows the other: a Population takes half of a CPU at the most.
            rest = min(busy, LONGEST_SETTLE_SECONDS) - (loop.time() - ended)
            await asyncio.sleep(max(SETTLE_SECONDS, rest))
        self._on_gone(item.owner)

    def _reconcile(self, item: WorkItem, body: Body, seen: Mapping[str, PodState]) -> tuple[float, float]:
        """One pass, in a thread; returns when the next one is due, and for how many seconds this one had a CPU."""
        began = time.thread_time()
        with self._around(item.owner):
            try:
                seconds = item.controller.reconcile(body, seen)
            except Exception:  # one fault must not end the work on this Population, nor on others
                LOG.exception("a pass failed")
                seconds = RETRY_SECONDS
        return seconds, time.thread_time() - began


def _intent(body: Body) -> tuple[Any, ...]:
    """What somebody else may have changed: not the status, which is the operator's own."""
    metadata = body["metadata"]
    return tuple(
        metadata.get(name) for name in ("generation", "deletionTimestamp", "finalizers", "annotations")
    )
