"""The drives: passes of one Population never overlap, those of many run at once, and nothing that happens is missed."""

import asyncio
import threading
from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest

from pbt_operator.runners.kubernetes import work_queue
from pbt_operator.runners.kubernetes.work_queue import WorkQueue

LONG = 600.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(work_queue, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(work_queue, "RETRY_SECONDS", 0.0)


def body(uid: str = "u1", *, generation: int = 1, **changes: Any) -> dict[str, Any]:
    metadata = {"uid": uid, "name": f"pop-{uid}", "namespace": "team", "generation": generation}
    return {"metadata": {**metadata, **changes}, "status": {}}


class Controller:
    """Notes its passes; each waits for `gate`, if there is one."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def reconcile(self, body: Any, seen: Any) -> float:
        world, uid = self.world, body["metadata"]["uid"]
        assert threading.current_thread() is not threading.main_thread()
        with world.lock:
            world.running[uid] += 1
            assert world.running[uid] == 1
            world.most = max(world.most, world.running.total())
        try:
            if world.gate is not None:
                assert world.gate.wait(20)
            if uid in world.broken:
                raise RuntimeError("a fault")
            return LONG
        finally:
            with world.lock:
                world.running[uid] -= 1
                world.passes.append((uid, body["metadata"]["generation"], dict(seen)))


class World:
    """What the drivers share, and the drives under test."""

    def __init__(self, *, workers: int = 4) -> None:
        self.lock, self.gate = threading.Lock(), None
        self.running: Counter[str] = Counter()
        self.passes: list[tuple[str, int, dict[str, Any]]] = []
        self.broken: set[str] = set()
        self.pods: dict[str, Any] = {}
        self.most = 0
        self.gone: list[str] = []
        self.gate: threading.Event | None
        self.queue = WorkQueue(
            controller_of=lambda owner: Controller(self),  # type: ignore[arg-type,return-value]
            pods_of=lambda uid: dict(self.pods),
            workers=workers,
            around=lambda owner: nullcontext(),
            on_gone=lambda owner: self.gone.append(owner.uid),
        )

    async def until(self, count: int, uid: str = "u1") -> None:
        """So many passes of a Population have ended."""
        async with asyncio.timeout(20):
            while sum(one == uid for one, _, _ in self.passes) < count:
                await asyncio.sleep(0.005)

    async def quiet(self) -> None:
        """Nothing that has happened is still on its way."""
        await asyncio.sleep(0.1)


def play(scene, **options: Any) -> World:
    """Runs a scene on an event loop, and closes the drives."""

    async def run() -> World:
        world = World(**options)
        await scene(world)
        if world.gate is not None:
            world.gate.set()
        await world.queue.close()
        return world

    return asyncio.run(run())


def test_a_population_gets_a_pass_at_once_and_then_waits():
    async def scene(world):
        world.queue.add(body())
        await world.until(1)
        await world.quiet()
        assert world.queue.uids == {"u1"}

    assert play(scene).passes == [("u1", 1, {})]


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"finalizers": ["x"]},
        {"annotations": {"a": "b"}},
    ],
)
def test_what_somebody_changes_gets_a_pass(change):
    async def scene(world):
        world.queue.add(body())
        await world.until(1)
        world.queue.add(body(**change))
        await world.until(2)

    assert play(scene).passes[1][1] == change.get("generation", 1)


def test_its_own_status_is_no_reason_for_a_pass():
    async def scene(world):
        world.queue.add(body())
        await world.until(1)
        world.queue.add({**body(), "status": {"phase": "Running"}})
        await world.quiet()

    assert len(play(scene).passes) == 1


def test_a_pod_that_changes_during_a_pass_is_seen_by_another_one():
    async def scene(world):
        world.gate = threading.Event()
        world.queue.add(body())
        while not world.running["u1"]:
            await asyncio.sleep(0.005)
        world.pods = {"p1": "ended"}
        for _ in range(5):
            world.queue.wake("u1")
        world.gate.set()
        await world.until(2)
        await world.quiet()

    assert [seen for _, _, seen in play(scene).passes] == [{}, {"p1": "ended"}]


def test_many_run_at_once_but_no_more_than_there_are_workers():
    uids = [f"u{number}" for number in range(6)]

    async def scene(world):
        world.gate = threading.Event()
        for uid in uids:
            world.queue.add(body(uid))
            world.queue.wake(uid)
        while world.running.total() < 3:
            await asyncio.sleep(0.005)
        await world.quiet()
        world.gate.set()
        for uid in uids:
            await world.until(1, uid)

    assert play(scene, workers=3).most == 3


def test_a_fault_ends_neither_this_drive_nor_others(caplog):
    async def scene(world):
        world.broken.add("u1")
        world.queue.add(body("u1"))
        world.queue.add(body("u2"))
        await world.until(3, "u1")
        world.broken.clear()
        await world.until(1, "u2")
        world.queue.add(body("u2", generation=2))
        await world.until(2, "u2")

    play(scene)
    assert "a fault" in caplog.text


def test_a_population_that_is_gone_gets_no_pass_and_is_told_of_once():
    async def scene(world):
        world.gate = threading.Event()
        world.queue.add(body())
        while not world.running["u1"]:
            await asyncio.sleep(0.005)
        world.queue.remove("u1")
        world.queue.remove("u1")
        world.queue.wake("u1")
        assert world.queue.uids == set()
        assert world.gone == []  # its last pass runs
        world.gate.set()
        await world.until(1)
        await world.quiet()
        assert world.gone == ["u1"]

    assert len(play(scene).passes) == 1


def test_closing_waits_for_the_passes_that_run():
    async def scene(world):
        world.gate = threading.Event()
        world.queue.add(body())
        while not world.running["u1"]:
            await asyncio.sleep(0.005)
        closing = asyncio.create_task(world.queue.close())
        await world.quiet()
        assert not closing.done()
        world.gate.set()
        await closing
        assert world.passes == [("u1", 1, {})]

    play(scene)
