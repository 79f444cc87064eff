"""From the kopf event to the control of a population: how many calls a reader has to follow.

Counted are the calls between functions of pbt_operator on the way from kopf's call of the handler to the first function
in pbt_operator/control, that one included. The handler is where the way begins. What returns before the way goes on
isn't on it, nor is a value that is only made on the way. The hand-over through the work queue counts as one call: from
the function that puts a Population in, to the one by which a thread of the pool takes it out; what asyncio and the pool
do in between is theirs.

At commit af11c60, counted by hand in the same way, it was 9.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pbt_operator
from fixtures.manifests import DETERMINISTIC
from pbt_operator.runners.kubernetes import store_clients
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.handlers import registry_of
from pbt_operator.runners.kubernetes.process import Process
from simulation.memory_store import MemoryStore

PACKAGE = Path(pbt_operator.__file__).parent
MOST_CALLS = 4
BODY: dict[str, Any] = {
    "apiVersion": "pbt.dev/v1alpha1",
    "kind": "Population",
    "metadata": {
        "name": "digits",
        "namespace": "team",
        "uid": "0a1b2c3d-0000-4000-8000-000000000000",
        "generation": 1,
        "resourceVersion": "1",
    },
    "spec": {**DETERMINISTIC, "template": {"spec": {"containers": [{"name": "trainer", "image": "x"}]}}},
    "status": {},
}


class Api:
    """Takes everything and shows nothing."""

    def patch_status(self, namespace: str, name: str, status: Any) -> Any:
        return {"status": status, "metadata": {"resourceVersion": "2"}}

    def __getattr__(self, verb: str) -> Any:
        return lambda *_, **__: None


def ours(frame: FrameType | None) -> Iterator[str]:
    """The functions of the package that wait for each other, the innermost first."""
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if PACKAGE in file.parents:
            yield f"{file.relative_to(PACKAGE)}: {frame.f_code.co_qualname}"
        frame = frame.f_back


class Way:
    """Notes the way to the queue, and from there to the first function in control."""

    def __init__(self) -> None:
        self.to_queue: list[str] = []
        self.to_control: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        if frame.f_code.co_qualname == "WorkQueue.add":
            self.to_queue = self.to_queue or list(ours(frame))[::-1]
        elif PACKAGE / "control" in Path(frame.f_code.co_filename).parents:
            self.to_control = self.to_control or list(ours(frame))[::-1]

    @property
    def calls(self) -> list[str]:
        """All on the way but the handler."""
        return [*self.to_queue[1:], *self.to_control]


async def reconciled(process: Process, way: Way) -> None:
    """The first pass was made."""
    [handler] = registry_of(process)._watching.get_all_handlers()
    process._pods.has_listed.set()
    await handler.fn(event={"type": "ADDED", "object": BODY})
    async with asyncio.timeout(60):
        while not way.to_control:
            await asyncio.sleep(0.01)
    await process.queue.close()


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Watches all threads."""
    monkeypatch.setattr(store_clients, "open_location", lambda *_: MemoryStore())
    monkeypatch.setattr(store_clients, "siblings", lambda *_, **__: [])
    found, before = Way(), sys.getprofile()
    threading.setprofile(found)
    sys.setprofile(found)
    yield found
    sys.setprofile(before)
    threading.setprofile(None)


def test_from_the_event_to_control_there_are_few_calls(way: Way) -> None:
    config = OperatorConfig.model_validate({"stores": [{"name": "default", "bucket": "experiments"}]})
    asyncio.run(reconciled(Process(config, api=Api(), instance="operator-0"), way))  # type: ignore[arg-type]
    sys.setprofile(None)
    print(way.to_queue[0], *way.calls, sep="\n  ")
    assert way.to_queue[0].startswith("runners/kubernetes/handlers.py: ")
    assert way.calls[-1].startswith("control/session.py: ")
    assert len(way.calls) <= MOST_CALLS, way.calls
