"""A real API server, a real S3 server, a node of processes, and the operator as a process of its own."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from fixtures.manifests import DETERMINISTIC
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from support import apiserver, minio, node, outage
from support.apiserver import ApiServer, write_kubeconfig
from support.minio import Server
from support.node import Node
from support.operator_process import Operator, until
from support.outage import Way
from support.s3server import write_credentials
from support.trainers import TRAINERS

ROOT = Path(__file__).parents[4]
PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations"}
COMMAND = [sys.executable, str(TRAINERS / "deterministic.py")]


class Team:
    """A namespace with the credentials for the store."""

    until = staticmethod(until)

    def __init__(self, world: "World") -> None:
        self.name, self.world = f"team-{secrets.token_hex(4)}", world
        connection = node.connect(world.api)
        self.core, self.custom = client.CoreV1Api(connection), client.CustomObjectsApi(connection)
        self.core.create_namespace({"metadata": {"name": self.name}})
        found = {"AWS_ACCESS_KEY_ID": world.s3.access_key, "AWS_SECRET_ACCESS_KEY": world.s3.secret_key}
        data = {name: b64encode(text.encode()).decode() for name, text in found.items()}
        self.core.create_namespaced_secret(self.name, {"metadata": {"name": "s3"}, "data": data})

    def create(self, name: str, *, step_seconds: float = 0, command: list[str] = COMMAND, **spec: Any) -> Any:
        """A Population of the deterministic trainer, unless it is given another command; None leaves a field out."""
        container = {"name": "trainer", "image": "trainer", "command": command}
        container["env"] = [{"name": "STEP_SECONDS", "value": str(step_seconds)}]
        storage = {"credentialsSecretRef": {"name": "s3"}, **spec.pop("storage", {})}
        template = {"spec": {"containers": [container], "terminationGracePeriodSeconds": 10}}
        base = {**deepcopy(DETERMINISTIC), "storage": storage, "template": template}
        body = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {"name": name},
            "spec": {field: value for field, value in {**base, **spec}.items() if value is not None},
        }
        return self.custom.create_namespaced_custom_object(**PLACE, namespace=self.name, body=body)

    def read(self, name: str) -> Any:
        """A Population as it is now; None if it is gone."""
        try:
            return self.custom.get_namespaced_custom_object(**PLACE, namespace=self.name, name=name)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    def change(self, name: str, **spec: Any) -> None:
        """Merges into its spec."""
        self.custom.patch_namespaced_custom_object(
            **PLACE, namespace=self.name, name=name, body={"spec": spec}
        )

    def annotate(self, name: str, **annotations: str) -> None:
        """Sets annotations in the domain pbt.dev."""
        told = {f"pbt.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.custom.patch_namespaced_custom_object(
            **PLACE, namespace=self.name, name=name, body={"metadata": {"annotations": told}}
        )

    def delete(self, name: str) -> None:
        """Deletes it."""
        self.custom.delete_namespaced_custom_object(**PLACE, namespace=self.name, name=name)

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """One condition of it; empty if it has none."""
        conditions = (self.read(name).get("status") or {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def wait(self, name: str, kind: str, status: str, reason: str | None = None) -> dict[str, Any]:
        """Its condition, as soon as it stands so."""

        def stands() -> dict[str, Any]:
            found = self.condition(name, kind)
            same = found.get("status") == status and reason in {None, found.get("reason")}
            return found if same else {}

        return until(stands)

    def pods(self, name: str) -> dict[str, str]:
        """The uids of its pods by their names."""
        pods = self.core.list_namespaced_pod(self.name, label_selector=f"pbt.dev/population={name}")
        return {pod.metadata.name: pod.metadata.uid for pod in pods.items}

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of its Events."""
        events = self.core.list_namespaced_event(self.name, field_selector=f"involvedObject.name={name}")
        return [(event.reason, event.message) for event in events.items]

    def store(self, name: str) -> S3Store:
        """Its location."""
        return self.world.store(self.read(name)["status"]["location"])

    def archive(self, name: str) -> Archive:
        """What is recorded of it, after a look at the invariants."""
        store = self.store(name)
        told = read_archive(store)
        assert audit.violations(store, told) == []
        return told


@dataclass
class World:
    """What all tests of the operator share.

    Attributes:
        operator: serves all namespaces; its store `default` is reached directly, `far` by `way_to_store`.
        way_to_api: how the operator reaches the API server.
    """

    api: ApiServer
    s3: Server
    node: Node
    operator: Operator
    way_to_api: Way
    way_to_store: Way

    def store(self, url: str) -> S3Store:
        """What lies below a URL."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix, client=self.s3.client())


def _config(s3: Server, way: Way, credentials: Path) -> dict[str, Any]:
    write_credentials(credentials, access_key=s3.access_key, secret_key=s3.secret_key)
    common = {"bucket": s3.bucket, "pathStyle": True, "credentials": str(credentials)}
    stores = [
        {"name": "default", "prefix": "pbt", "endpoint": s3.endpoint, **common},
        {"name": "far", "endpoint": f"http://127.0.0.1:{way.port}", **common},
    ]
    return {"stores": stores, "pollSeconds": 0.3, "logFormat": "text"}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The operator at work on an API server that knows Populations."""
    if os.environ.get("PBT_SKIP_CLUSTER") == "1":
        pytest.skip("PBT_SKIP_CLUSTER=1: nothing is tested against a real API server")
    folder = tmp_path_factory.mktemp("world")
    for name in ("api", "s3", "node"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        api = stack.enter_context(apiserver.running(folder / "api"))
        api.kubectl("create", "-f", str(ROOT / "charts" / "pbt-operator" / "files" / "population-crd.yaml"))
        api.kubectl("wait", "--for=condition=Established", "crd/populations.pbt.dev")
        s3 = stack.enter_context(minio.running(folder / "s3"))
        ways = [stack.enter_context(outage.way_to(urlsplit(url).port or 0)) for url in (api.url, s3.endpoint)]
        config = _config(s3, ways[1], folder / "credentials")
        write_kubeconfig(api, folder / "kubeconfig", url=f"https://127.0.0.1:{ways[0].port}")
        operator = Operator(folder / "operator", config, folder / "kubeconfig")
        found = stack.enter_context(node.running(api, folder / "node"))
        stack.callback(operator.close)
        operator.start()
        yield World(api, s3, found, operator, *ways)


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    """A namespace of its own, whose Populations end with the test."""
    found = Team(world)
    yield found
    listed = found.custom.list_namespaced_custom_object(**PLACE, namespace=found.name)
    for body in listed["items"]:
        if body["metadata"].get("finalizers"):
            found.custom.patch_namespaced_custom_object(
                **PLACE,
                namespace=found.name,
                name=body["metadata"]["name"],
                body={"metadata": {"finalizers": []}},
            )
        found.delete(body["metadata"]["name"])
    # Nobody collects garbage here.
    found.core.delete_collection_namespaced_pod(found.name)
