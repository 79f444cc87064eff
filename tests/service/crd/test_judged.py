"""How tools that know no Population judge one: kstatus itself, and Argo CD's Lua, on objects of a real API server."""

import json
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.errors import StoreRefused, StoreUnavailable
from pbt_operator.records import owners
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import Unreachable
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_state import read
from pbt_operator.runners.kubernetes.pod_template import Owner
from programs.build import binary
from simulation import Simulation
from simulation.memory_store import MemoryStore
from support import node
from support.apiserver import ApiServer

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"
PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations", "namespace": "default"}
STORE = {"name": "default", "bucket": "experiments", "endpoint": "https://s3.example:9000"}
NOW = 1_750_000_000.0
SHORT = {**DETERMINISTIC, "members": 2, "schedule": {"totalSteps": 40, "intervalSteps": 10}}
CONTAINER = {"name": "trainer", "image": "registry.example/trainer:1", "command": ["python", "train.py"]}
TEMPLATE = {"spec": {"containers": [CONTAINER]}}
UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
NO_IMAGE = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}


class Store(MemoryStore):
    """A store that may be away, or refuse."""

    trouble: Exception | None = None

    @property
    def url(self) -> str:
        return "s3://experiments/x"

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        if self.trouble is not None:
            raise self.trouble
        return super().names(prefix, start_after=start_after)


class Driven:
    """A Population of the API server, under an operator's controller whose passes the test makes."""

    def __init__(self, server: ApiServer, connection: client.ApiClient, name: str, **changes: Any) -> None:
        self.custom, self.core = client.CustomObjectsApi(connection), client.CoreV1Api(connection)
        self.name, self.server, self.store, self.time = name, server, Store(), 0.0
        body = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {"name": name},
            "spec": {**deepcopy(SHORT), "template": TEMPLATE, **changes},
        }
        self.uid = self.custom.create_namespaced_custom_object(**PLACE, body=body)["metadata"]["uid"]
        self.controller = Controller(
            Owner(name=name, namespace="default", uid=self.uid),
            api=Api(connection),
            config=OperatorConfig.model_validate({"stores": [STORE]}),
            recorder=EventRecorder(lambda *_: None, instance="operator"),
            metrics=Metrics(),
            clock=lambda: self.time,
            now=lambda: NOW + self.time,
        )
        self.controller._runner.open_storage = lambda _storage: self.store

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = self.custom.get_namespaced_custom_object(**PLACE, name=self.name)
        return found

    def pods(self) -> list[dict[str, Any]]:
        chosen = f"pbt.dev/population-uid={self.uid}"
        listed = self.core.list_namespaced_pod("default", label_selector=chosen, _preload_content=False)
        found: list[dict[str, Any]] = listed.json()["items"]
        return found

    def passes(self, times: int = 2) -> "Driven":
        for _ in range(times):
            seen = {pod["metadata"]["uid"]: found for pod in self.pods() if (found := read(pod)) is not None}
            self.controller.reconcile(self.read(), seen)
            self.time += 5.0
        return self

    def tell(self, pod: dict[str, Any], state: dict[str, Any], phase: str = "Running", **more: Any) -> None:
        """What the kubelet, or the scheduler, says of a pod."""
        shown = {
            "name": "trainer",
            "image": "-",
            "imageID": "-",
            "ready": True,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [shown], **more}
        self.core.patch_namespaced_pod_status(pod["metadata"]["name"], "default", {"status": status})

    def runs(self) -> "Driven":
        """Its pods are started."""
        self.passes()
        for pod in self.pods():
            self.tell(pod, {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        return self.passes()

    def change(self, **changes: Any) -> "Driven":
        self.custom.patch_namespaced_custom_object(**PLACE, name=self.name, body={"spec": changes})
        return self

    # the states of the page's table

    def was_created_and_no_operator_has_looked(self) -> None:
        """Nothing happens."""

    def starts_its_pods(self) -> None:
        self.passes()

    def has_pods_that_wait_for_a_place_and_none_that_run(self) -> None:
        self.passes()
        for pod in self.pods():
            status = {"phase": "Pending", "conditions": [UNPLACED]}
            self.core.patch_namespaced_pod_status(pod["metadata"]["name"], "default", {"status": status})
        self.passes()

    def trains(self) -> None:
        self.runs()

    def trains_and_one_of_its_pods_can_never_start(self) -> None:
        self.runs()
        self.tell(self.pods()[0], NO_IMAGE, phase="Pending")
        self.passes()

    def was_changed_and_no_operator_has_looked(self) -> None:
        """The API server can't try the new template's pod, so that a pass comes to nothing."""
        self.runs().change(template={"spec": {"containers": [{**CONTAINER, "image": "other"}]}})

        def away(*_: Any, **__: Any) -> None:
            raise Unreachable(OSError("webhook"))

        self.controller._runner.try_pods = away
        self.passes()

    def is_complete(self) -> None:
        owners.settle(self.store, uid=self.uid, name=self.name, namespace="default", adopt=False)
        Simulation(spec(SHORT), Deterministic(), store=self.store).run()
        self.passes(4)

    def is_failed(self) -> None:
        self.runs().change(finish=True)
        self.passes(4)

    def has_a_spec_that_is_refused(self) -> None:
        self.runs().change(template={"spec": {"containers": [{**CONTAINER, "image": ""}]}})
        self.passes()

    def can_t_reach_its_store(self) -> None:
        self.runs().store.trouble = StoreUnavailable("timed out")
        self.passes()

    def is_refused_by_its_store(self) -> None:
        self.runs().store.trouble = StoreRefused("403 AccessDenied")
        self.passes()

    def is_suspended(self) -> None:
        self.runs().change(suspend=True)
        self.passes()

    def is_being_deleted(self) -> None:
        self.runs().change(retention={"onDelete": "Delete"})
        self.passes()
        self.custom.delete_namespaced_custom_object(**PLACE, name=self.name)

    def leave(self) -> None:
        """Nothing of it stays."""
        self.store.trouble = None
        patch = {"metadata": {"finalizers": None}}
        self.custom.patch_namespaced_custom_object(**PLACE, name=self.name, body=patch)
        chosen = f"pbt.dev/population-uid={self.uid}"
        self.core.delete_collection_namespaced_pod("default", label_selector=chosen, grace_period_seconds=0)
        self.server.kubectl("delete", "population", self.name, "--ignore-not-found")


def rows() -> dict[str, tuple[str, str, str]]:
    """What the page says of each state: the status of `Ready`, kstatus and Argo CD."""
    (table,) = re.findall(r"\| the population .*\n\| --- .*\n((?:\|.*\n)+)", PAGE.read_text())
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {state: (ready, kstatus, argo) for state, ready, kstatus, argo in found}


ROWS = rows()


@pytest.fixture(scope="module")
def objects(apiserver: ApiServer) -> dict[str, dict[str, Any]]:
    """A Population in each state of the table, as the API server has it."""
    found = {}
    with node.connect(apiserver) as connection:
        for number, state in enumerate(ROWS):
            driven = Driven(apiserver, connection, f"judged-{number}")
            try:
                getattr(driven, re.sub(r"\W+", "_", state.lower()))()
                found[state] = driven.read()
            finally:
                driven.leave()
    return found


@pytest.fixture(scope="module")
def judged(
    objects: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, str]]:
    """What both say of each."""
    (script,) = re.findall(r"```lua\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path_factory.mktemp("judged") / "health.lua"
    file.write_text(script)
    done = subprocess.run(
        [binary("health"), file],
        input=json.dumps(list(objects.values())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return dict(zip(objects, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("state", ROWS)
def test_each_state_is_judged_as_the_page_says(
    objects: dict[str, dict[str, Any]], judged: dict[str, dict[str, str]], state: str
) -> None:
    status = objects[state]["status"]
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    ready = conditions["Ready"]["status"] if "Ready" in conditions else "none"
    found = judged[state]
    assert (ready, found["kstatus"], found["argo"]) == ROWS[state], (conditions, found)
    if found["kstatus"] == "Failed":
        assert found["kstatusMessage"] == conditions["Stalled"]["message"] != ""
    assert found["argoMessage"]


def test_what_was_not_looked_at_is_not_said_to_be_observed(objects: dict[str, dict[str, Any]]) -> None:
    behind = {
        state
        for state, found in objects.items()
        if found["status"]["observedGeneration"] != found["metadata"]["generation"]
    }
    assert behind == {
        "was created, and no operator has looked",
        "was changed, and no operator has looked",
        "is being deleted",
    }
