"""What an API server stores of the recorded population: its resource with a status, and one of its pods."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_state import read
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.run_times import rfc3339
from service.upgrade.record import MANIFEST, NAME, NAMESPACE, UID
from simulation.memory_store import MemoryStore
from support import node
from support.apiserver import ApiServer

PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations", "namespace": NAMESPACE}
NOW = 1_750_000_000.0
OWNER = Owner(name=NAME, namespace=NAMESPACE, uid=UID)
STORE = {"name": "default", "bucket": "experiments", "prefix": "pbt", "endpoint": "https://s3.example:9000"}
MEMBER, POD_UID = 1, "7f1f7a52-9d0e-4a39-8a43-0f8f5a1f7f11"


class Located(MemoryStore):
    """A copy of a store that says it is where the cluster keeps the population."""

    def __init__(self, content: MemoryStore) -> None:
        super().__init__()
        for key in content.names(""):
            self.put(key, content.read(key))

    @property
    def url(self) -> str:
        """See `Store.url`."""
        return f"s3://experiments/pbt/{NAMESPACE}/experiments/{NAME}-{UID[:8]}"


@contextmanager
def namespaced(server: ApiServer) -> Iterator[client.ApiClient]:
    """A connection, and the namespace of the recorded population, emptied after the block."""
    with node.connect(server) as connection:
        core = client.CoreV1Api(connection)
        if NAMESPACE not in {found.metadata.name for found in core.list_namespace().items}:
            core.create_namespace({"metadata": {"name": NAMESPACE}})
        try:
            yield connection
        finally:  # the namespace stays: nobody would finish its deletion
            client.CustomObjectsApi(connection).delete_collection_namespaced_custom_object(**PLACE)
            core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0)


def record_resources(connection: client.ApiClient, content: MemoryStore, folder: Path) -> None:
    """Records the resource and a pod of the population in `content`, as an API server gives them back.

    The operator takes it up there, its pods start, and it writes its status.
    """
    custom, core = client.CustomObjectsApi(connection), client.CoreV1Api(connection)
    custom.create_namespaced_custom_object(**PLACE, body=MANIFEST)
    controller = Controller(
        OWNER,
        api=Api(connection),
        config=OperatorConfig.model_validate({"stores": [STORE]}),
        recorder=EventRecorder(lambda *_: None, instance="operator"),
        metrics=Metrics(),
        clock=lambda: 0.0,
        now=lambda: NOW,
    )
    store = Located(content)
    controller._runner.open_storage = lambda _storage: store  # type: ignore[method-assign]
    controller.reconcile(custom.get_namespaced_custom_object(**PLACE, name=NAME), {})
    pods = [_running(core, pod) for pod in _pods(core)]
    seen = {pod["metadata"]["uid"]: found for pod in pods if (found := read(pod)) is not None}
    controller.reconcile(custom.get_namespaced_custom_object(**PLACE, name=NAME), seen)
    stored = custom.get_namespaced_custom_object(**PLACE, name=NAME)
    _write(folder / "population.yaml", _settled(stored, uid=UID))
    chosen = next(pod for pod in pods if pod["metadata"]["labels"]["pbt.dev/member"] == str(MEMBER))
    _write(folder / "pod.yaml", _settled(chosen, uid=POD_UID))


def _pods(core: client.CoreV1Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = core.list_namespaced_pod(NAMESPACE, _preload_content=False).json()["items"]
    return found


def _running(core: client.CoreV1Api, pod: dict[str, Any]) -> dict[str, Any]:
    """The pod once its kubelet has started the trainer."""
    (container,), name = pod["spec"]["containers"], pod["metadata"]["name"]
    state = {"running": {"startedAt": rfc3339(NOW)}}
    told = {"name": container["name"], "image": container["image"], "imageID": "-", "ready": True}
    status = {"phase": "Running", "containerStatuses": [{**told, "restartCount": 0, "state": state}]}
    core.patch_namespaced_pod_status(name, NAMESPACE, {"status": status})
    found: dict[str, Any] = core.read_namespaced_pod(name, NAMESPACE, _preload_content=False).json()
    return found


def _settled(stored: dict[str, Any], *, uid: str) -> dict[str, Any]:
    """Without what differs from one API server to the next."""
    metadata = {name: value for name, value in stored["metadata"].items() if name != "managedFields"}
    metadata |= {"uid": uid, "resourceVersion": "1", "creationTimestamp": rfc3339(NOW)}
    return {**stored, "metadata": metadata}


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(body, sort_keys=False))
