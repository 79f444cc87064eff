"""The nodes: each pod is placed, starts its trainer, is asked to end or is torn away, and says so in its status."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbt_contract.assignment import Assignment
from pbt_operator.runners.kubernetes.run_times import rfc3339
from simulate.apiserver import ApiServer, Body
from simulate.room import Room
from simulate.trainer import Trainer
from simulate.weather import Weather
from simulate.world import Process, World
from support.downward import referred

OOM = 137
NODES = ("node-0", "node-1", "node-2")
BAD_NODE = NODES[0]
SLOW_SECONDS = 900.0
DRAIN = ("DisruptionTarget", "EvictionByEvictionAPI")


@dataclass
class Placed:
    """A pod on a node.

    Attributes:
        trainer: None until it has started.
        lost: whether its node is: it trains on, and nobody hears of it.
    """

    uid: str
    process: Process
    trainer: Trainer | None = None
    lost: bool = False


class Kubelet:
    """All nodes together."""

    def __init__(
        self,
        world: World,
        weather: Weather,
        server: ApiServer,
        *,
        room: Room,
        start_seconds: float,
        trainer_of: Callable[[Assignment, str], Trainer],
    ) -> None:
        self.placed: dict[str, Placed] = {}
        self._world, self._weather, self._server = world, weather, server
        self._start_seconds, self._trainer_of = start_seconds, trainer_of
        self._room, room.evict, room.changed = room, self._preempt, self._wake_all
        self._random = world.chance("kubelet")
        server.on_pod = self._on_pod

    def _on_pod(self, pod: Body, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        if gone:
            self._room.give_back(uid)
        placed = self.placed.get(uid)
        if placed is None and not gone:
            process = self._world.spawn(f"kubelet of {uid}", lambda: self._run(uid))
            self.placed[uid] = Placed(uid, process)
        elif placed is not None and not placed.lost:
            if gone and placed.trainer is not None:
                placed.trainer.kill()
            elif placed.trainer is not None and "deletionTimestamp" in pod["metadata"]:
                placed.trainer.terminate()
            placed.process.wake()

    def _run(self, uid: str) -> None:
        """The life of one pod."""
        while self._weather.strikes("unschedulable") or not self._room.take(uid):
            self._show(uid, {"phase": "Pending", "conditions": [self._scheduled(uid, "False")]})
            self._world.idle(30.0)
            if self._server.pod(uid) is None:
                return
        pod = self._server.pod(uid)
        if pod is None:
            self._room.give_back(uid)
            return
        if self._weather.strikes("refused by the node"):
            self._show(uid, {"phase": "Failed", "reason": "UnexpectedAdmissionError"})
            self._room.give_back(uid)
            return
        self._server.write_pod({**pod, "spec": {**pod["spec"], "nodeName": self._random.choice(NODES)}})
        self._show(uid, {"phase": "Pending", "conditions": [self._scheduled(uid, "True")]})
        seconds = self._random.uniform(0.1, self._start_seconds)
        if self._weather.strikes("slow start"):  # an image that takes long to pull, or a volume to attach
            seconds += SLOW_SECONDS
        self._idle_until(uid, self._world.time.now + seconds)
        pod = self._server.pod(uid)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._end(uid, None)
            return
        self._train(uid, pod)

    def _idle_until(self, uid: str, until: float) -> None:
        """Waits, unless the pod is deleted."""
        while self._world.time.now < until:
            pod = self._server.pod(uid)
            if pod is None or "deletionTimestamp" in pod["metadata"]:
                return
            self._world.idle(until - self._world.time.now)

    def _train(self, uid: str, pod: Body) -> None:
        env = pod["spec"]["containers"][0]["env"]
        variables = {v["name"]: referred(v, pod) or v.get("value", "").replace("$$", "$") for v in env}
        assignment = Assignment.from_environment({**variables, "PBT_POD": uid})
        assert assignment is not None
        placed, trainer = self.placed[uid], self._trainer_of(assignment, uid)
        placed.trainer = trainer
        trainer.is_on_bad_node = pod["spec"]["nodeName"] == BAD_NODE and self._weather.strikes("bad node")
        self._show(uid, {"phase": "Running", "containerStatuses": [_container({"running": {}})]})
        trainer.start(on_end=placed.process.wake)
        stopped_by: float | None = None
        while trainer.alive:
            now = self._server.pod(uid)
            if now is not None and "deletionTimestamp" in now["metadata"] and stopped_by is None:
                stopped_by = self._world.time.now + now["spec"].get("terminationGracePeriodSeconds", 30)
            if stopped_by is not None and self._world.time.now >= stopped_by and not placed.lost:
                trainer.kill()
            self._world.idle(3600.0 if stopped_by is None else max(0.01, stopped_by - self._world.time.now))
        if not placed.lost:
            self._end(uid, trainer)

    def _end(self, uid: str, trainer: Trainer | None) -> None:
        """The status of a pod that is over; one that was deleted goes."""
        if trainer is not None:
            reason = "OOMKilled" if trainer.out_of_memory else "Completed" if trainer.code == 0 else "Error"
            ended = {"exitCode": trainer.code, "reason": reason, "message": trainer.message}
            phase = "Failed" if trainer.code else "Succeeded"
            self._show(uid, {"phase": phase, "containerStatuses": [_container({"terminated": ended})]})
        self._room.give_back(uid)
        pod = self._server.pod(uid)
        if pod is not None and "deletionTimestamp" in pod["metadata"]:
            self._server.remove_pod(pod)

    def _show(self, uid: str, status: dict[str, Any]) -> None:
        pod = self._server.pod(uid)
        if pod is not None:
            known, new = pod["status"].get("conditions", ()), status.get("conditions", ())
            replaced = {condition["type"] for condition in new}
            conditions = [*(c for c in known if c["type"] not in replaced), *new]
            self._server.write_pod({**pod, "status": {**status, "conditions": conditions}})

    def _scheduled(self, uid: str, status: str) -> dict[str, str]:
        """The condition by which the scheduler says whether a pod has a node; it keeps the time of its last change."""
        pod = self._server.pod(uid)
        conditions = pod["status"].get("conditions", ()) if pod is not None else ()
        known = next((c for c in conditions if c["type"] == "PodScheduled" and c["status"] == status), None)
        if known is not None:
            return known
        told = {} if status == "True" else self._room.waiting_for
        since = rfc3339(self._world.now())
        return {"type": "PodScheduled", "status": status, "lastTransitionTime": since, **told}

    def _wake_all(self) -> None:
        """There may be room: pods that wait are looked at again."""
        for placed in self.placed.values():
            if placed.trainer is None:
                placed.process.wake()

    def _preempt(self, uid: str) -> None:
        """Its place is taken back."""
        placed = self.placed.get(uid)
        if placed is not None and not placed.lost:
            self.evict(placed, by=self._room.evicted_by)

    # what befalls pods

    @property
    def running(self) -> list[Placed]:
        """Those whose trainer is at work on a node that is there."""
        return [p for p in self.placed.values() if p.trainer is not None and p.trainer.alive and not p.lost]

    def lose(self, placed: Placed) -> None:
        """Its node is cut off. The trainer goes on, and the control plane gives the pod up after a while."""
        placed.lost = True
        pod = self._server.pod(placed.uid)
        if pod is not None:
            self._server.delete_pod(pod["metadata"]["name"])

    def evict(self, placed: Placed, *, by: tuple[str, str] = DRAIN) -> None:
        """The pod is deleted, and says why."""
        pod = self._server.pod(placed.uid)
        if pod is not None:
            told = {"type": by[0], "status": "True", "reason": by[1]}
            self._show(placed.uid, {**pod["status"], "conditions": [told]})
            self._server.delete_pod(pod["metadata"]["name"])

    def end_zombies(self) -> None:
        """Lost nodes are switched off."""
        for placed in self.placed.values():
            if placed.lost and placed.trainer is not None:
                placed.trainer.kill()


def _container(state: dict[str, Any]) -> dict[str, Any]:
    return {"name": "trainer", "state": state}
