"""An operator: the real `Controller` of each Population over a watch that lags, until it is killed."""

import traceback
from datetime import UTC, datetime

from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_state import population_of
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.work_queue import RETRY_SECONDS, SETTLE_SECONDS, _intent
from simulate.apiserver import ApiServer, Body
from simulate.watch import Watch
from simulate.weather import Weather
from simulate.world import Process, World


class Operator:
    """One operator process: a drive for each Population that its watch shows.

    Attributes:
        alive: until it is killed.
        stalls: whether its next request to the API server arrives when all is over, and is the last thing it does;
            with a path's end, only one to such a path.
        spent: whether that has arrived.
    """

    def __init__(
        self, world: World, weather: Weather, server: ApiServer, config: OperatorConfig, *, name: str
    ) -> None:
        """Begins at once."""
        self.name, self.alive = name, True
        self.stalls: str | None = None
        self.spent = False
        self.processes: dict[str, Process] = {}
        self._world, self._weather, self._config = world, weather, config
        api: Api = Api(server)  # type: ignore[arg-type]
        metrics = Metrics(clock=world.time)
        recorder = EventRecorder(
            api.create_event, instance=name, now=lambda: datetime.fromtimestamp(world.now(), UTC)
        )
        self._controller_of = lambda owner: Controller(
            owner, api=api, config=config, recorder=recorder, metrics=metrics, clock=world.time, now=world.now
        )
        self._changed: set[str] = set()
        self._intents: dict[str, object] = {}
        self._watch = Watch(server, world, weather, self._on_change)
        self._watch.open()

    def kill(self) -> None:
        """SIGKILL, or the loss of its node."""
        self.alive = False
        self._watch.close()
        for process in self.processes.values():
            process.kill()

    def _on_change(self, kind: str, body: Body, gone: bool) -> None:
        if kind == "pods":
            uid = population_of(body)
        else:
            uid = body["metadata"]["uid"]
            if not gone and uid not in self.processes:
                owner = Owner(name=body["metadata"]["name"], namespace=body["metadata"]["namespace"], uid=uid)
                process = self._world.spawn(f"{self.name} drives {owner.name}", lambda: self._drive(owner))
                process.part_of, self.processes[uid] = self, process
            if self._intents.get(uid) == _intent(body) and not gone:
                return  # only the status has changed, which is the operator's own
            self._intents[uid] = _intent(body)
        if uid in self.processes:
            self._changed.add(uid)
            self.processes[uid].wake()

    def _drive(self, owner: Owner) -> None:
        controller, state_of = self._controller_of(owner), self._watch.server.state_of
        while (body := self._watch.populations.get(owner.uid)) is not None:
            self._changed.discard(owner.uid)
            pods = [state_of(pod) for pod in self._watch.pods.values() if population_of(pod) == owner.uid]
            seen = {pod.pod.uid: pod for pod in pods if pod is not None}
            try:
                seconds = controller.reconcile(body, seen)
            except Exception:  # noqa: BLE001 - the product logs it and goes on; here it is a finding
                self._world.blame(f"a pass failed: {traceback.format_exc()}")
                seconds = RETRY_SECONDS
            if owner.uid not in self._changed:
                self._world.idle(seconds)
            self._world.sleep(SETTLE_SECONDS)
