"""One asyncio task for each Population, which runs its passes in threads: when something happened or it is time."""

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
    """One Population and its task.

    Attributes:
        body: the resource as the watch showed it last; None once it is gone.
    """

    controller: Controller
    body: Body | None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class WorkQueue:
    """All Populations that are driven. To be used from the event loop only."""

    def __init__(
        self,
        *,
        controller_of: Callable[[Owner], Controller],
        pods_of: Callable[[Owner], Mapping[str, PodState]],
        workers: int,
        around: Callable[[Owner], AbstractContextManager[None]],
        on_gone: Callable[[Owner], None],
    ) -> None:
        """Drives nothing yet.

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
        self._queue: dict[str, WorkItem] = {}

    def take(self, body: Body) -> None:
        """A Population is there, or has changed."""
        metadata = body["metadata"]
        uid = metadata["uid"]
        drive = self._queue.get(uid)
        if drive is None:
            owner = Owner(name=metadata["name"], namespace=metadata["namespace"], uid=uid)
            drive = self._queue[uid] = WorkItem(self._controller_of(owner), body)
            drive.task = asyncio.create_task(
                self._run(owner, drive), name=f"drive {owner.namespace}/{owner.name}"
            )
            return
        if drive.body is None or _intent(drive.body) != _intent(body):
            drive.changed.set()
        drive.body = body

    @property
    def uids(self) -> set[str]:
        """Of the Populations that are driven."""
        return set(self._queue)

    def drop(self, uid: str) -> None:
        """A Population is gone."""
        drive = self._queue.pop(uid, None)
        if drive is not None:
            drive.body = None
            drive.changed.set()

    def wake(self, uid: str) -> None:
        """Something happened to a pod of a Population."""
        drive = self._queue.get(uid)
        if drive is not None:
            drive.changed.set()

    async def close(self) -> None:
        """Waits for the passes that run; no other begins. Pods and resources are left as they are."""
        tasks = [drive.task for drive in self._queue.values() if drive.task is not None]
        for uid in list(self._queue):
            self.drop(uid)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown()

    async def _run(self, owner: Owner, drive: WorkItem) -> None:
        loop = asyncio.get_running_loop()
        while (body := drive.body) is not None:
            drive.changed.clear()
            seen = self._pods_of(owner)  # here, where nothing changes it meanwhile
            seconds, busy = await loop.run_in_executor(
                self._threads, self._pass, owner, drive.controller, body, seen
            )
            ended = loop.time()
            with suppress(TimeoutError):
                await asyncio.wait_for(drive.changed.wait(), seconds)
            # While a thousand pods start, one event follows the other: a drive takes half of a CPU at the most.
            rest = min(busy, LONGEST_SETTLE_SECONDS) - (loop.time() - ended)
            await asyncio.sleep(max(SETTLE_SECONDS, rest))
        self._on_gone(owner)

    def _pass(
        self, owner: Owner, controller: Controller, body: Body, seen: Mapping[str, PodState]
    ) -> tuple[float, float]:
        """When the next one is due, and for how long this one had a CPU."""
        began = time.thread_time()
        with self._around(owner):
            try:
                seconds = controller.run_pass(body, seen)
            except Exception:  # one fault must not end the drive of this Population, nor that of others
                LOG.exception("a pass failed")
                seconds = RETRY_SECONDS
        return seconds, time.thread_time() - began


def _intent(body: Body) -> tuple[Any, ...]:
    """What somebody else may have changed: not the status, which is the operator's own."""
    metadata = body["metadata"]
    return tuple(
        metadata.get(name) for name in ("generation", "deletionTimestamp", "finalizers", "annotations")
    )
