"""What the operator is measured on: a real API server and S3 server, nodes of KWOK, and the operator's own process."""

import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client

from bench.scale_s3 import Bucket
from bench.scale_trainers import INTERVAL, Trainers
from pbt_operator.manifest import crd
from programs.build import binary, source
from support import apiserver, minio, node
from support.apiserver import ApiServer
from support.operator_process import Operator, until
from support.s3server import Server, write_credentials
from support.servers import free_port, serving

NAMESPACE, NODE = "scale", "kwok-0"
POLL_SECONDS = 5.0
PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations"}
SCRIPT = "import sys; from pbt_operator.cli.main import main; main(sys.argv[1:])"
PATIENCE_SECONDS = 300.0
STAGES = ("node/fast/node-initialize.yaml", "pod/fast/pod-ready.yaml", "pod/fast/pod-delete.yaml")
TICKS = os.sysconf("SC_CLK_TCK")


class MeasuredOperator(Operator):
    """The operator's process as the image runs it, with what the kernel says of it."""

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        command = [sys.executable, "-c", SCRIPT, "operator", "--config", str(self._file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        until(lambda: self.get("/readyz")[0] == 200, seconds=PATIENCE_SECONDS)

    @property
    def _proc(self) -> Path:
        assert self._process is not None
        return Path("/proc") / str(self._process.pid)

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads since it began."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> tuple[float, float]:
        """RSS and PSS in MB."""
        lines = (self._proc / "smaps_rollup").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines[1:] if line.endswith("kB")}
        return found["Rss"], found["Pss"]

    @property
    def passes(self) -> float:
        """How many passes have ended."""
        return self.metric("pbt_reconcile_seconds_count")

    def requests(self) -> dict[str, float]:
        """Its requests to the store so far, by operation."""
        operations = ("GetObject", "PutObject", "ListObjectsV2", "ListMultipartUploads", "DeleteObjects")
        return {name: self.metric("pbt_store_requests_total", operation=name) for name in operations}


@dataclass
class World:
    """All that runs."""

    api: ApiServer
    s3: Server
    operator: MeasuredOperator
    trainers: Trainers
    custom: client.CustomObjectsApi

    def create(self, name: str, members: int) -> None:
        """A Population whose pods KWOK runs."""
        container = {"name": "trainer", "image": "trainer", "command": ["train"]}
        body = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {"name": name},
            "spec": {
                "members": members,
                "objective": {"metric": "score", "goal": "Maximize"},
                "schedule": {"totalSteps": 1000 * INTERVAL, "intervalSteps": INTERVAL, "quorumPercent": 100},
                "hyperparameters": [
                    {"name": "lr", "logUniform": {"min": 1.0e-4, "max": 1.0}},
                    {"name": "momentum", "uniform": {"min": 0.0, "max": 0.99}},
                ],
                "strategy": "Explicit",
                "exploit": {"truncation": {"percent": 20}},
                "storage": {"credentialsSecretRef": {"name": "s3"}},
                "template": {"spec": {"nodeName": NODE, "containers": [container]}},
            },
        }
        self.custom.create_namespaced_custom_object(**PLACE, namespace=NAMESPACE, body=body)

    def status(self, name: str) -> dict[str, Any]:
        """The status of a Population."""
        found = self.custom.get_namespaced_custom_object(**PLACE, namespace=NAMESPACE, name=name)
        return dict(found.get("status") or {})

    def delete(self, name: str) -> None:
        """Deletes a Population and its pods: nobody collects garbage here."""
        self.custom.delete_namespaced_custom_object(**PLACE, namespace=NAMESPACE, name=name)
        selector = f"pbt.dev/population={name}"
        self.trainers.core.delete_collection_namespaced_pod(
            NAMESPACE, label_selector=selector, grace_period_seconds=0
        )


def wait(found: Any, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Until `found` returns something true, looked at twenty times a second."""
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError("the operator didn't do in time what is measured")
        time.sleep(0.05)


@contextmanager
def kwok(server: ApiServer, folder: Path) -> Iterator[None]:
    """One node that takes every pod bound to it, runs it at once and lets it go at once."""
    port = free_port()
    command = [str(binary("kwok")), f"--kubeconfig={server.kubeconfig}", "--manage-all-nodes=true"]
    command += [f"--server-address=127.0.0.1:{port}", "--node-lease-duration-seconds=0"]
    stages = source("kwok", "sigs.k8s.io/kwok") / "kustomize" / "stage"
    command += [f"--config={stages / stage}" for stage in STAGES]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    name = {"metadata": {"name": NODE, "annotations": {"kwok.x-k8s.io/node": "fake"}}}
    server.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Node", **name}))
    with serving(
        command, log=folder / "kwok.log", ready=f"http://127.0.0.1:{port}/healthz", environment=environment
    ):
        yield


@contextmanager
def running(folder: Path, *, poll_seconds: float = POLL_SECONDS, nodes: bool = True) -> Iterator[World]:
    """Starts all of it in `folder`, or all but the nodes.

    Raises:
        BuildError: a program can't be had.
        RuntimeError: a server doesn't start.
    """
    for name in ("api", "s3", "kwok"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        api = stack.enter_context(apiserver.running(folder / "api"))
        api.kubectl("create", "-f", "-", input=crd.text())
        api.kubectl("wait", "--for=condition=Established", "crd/populations.pbt.dev")
        s3 = stack.enter_context(minio.running(folder / "s3"))
        if nodes:
            stack.enter_context(kwok(api, folder / "kwok"))
        core = client.CoreV1Api(node.connect(api))
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        secret = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        data = {key: b64encode(text.encode()).decode() for key, text in secret.items()}
        core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "s3"}, "data": data})
        write_credentials(folder / "credentials", access_key=s3.access_key, secret_key=s3.secret_key)
        store = {"name": "default", "bucket": s3.bucket, "endpoint": s3.endpoint, "pathStyle": True}
        store["credentials"] = str(folder / "credentials")
        config = {"stores": [store], "pollSeconds": poll_seconds, "logFormat": "text"}
        paths = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        operator = MeasuredOperator(folder / "operator", config, api.kubeconfig, environment=paths)
        stack.callback(operator.close)
        bucket = stack.enter_context(closing(Bucket(s3)))
        trainers = Trainers(core, bucket, NAMESPACE)
        thread = threading.Thread(target=trainers.follow, name="trainers")
        thread.start()
        stack.callback(thread.join)
        stack.callback(trainers.close)
        operator.start()
        yield World(api, s3, operator, trainers, client.CustomObjectsApi(node.connect(api)))
