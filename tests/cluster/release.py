"""The operator as a user installs it: by the chart, once for all test processes, and removed with the last of them."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kindcluster.machine import alone, held
from support.cluster import Cluster
from support.s3server import Server

CHART = Path(__file__).parents[2] / "charts" / "pbt-operator"
NAME, NAMESPACE = "pbt-operator", "pbt-system"
SECRET = "store"
ENDPOINT = "http://minio.minio:9000"


@dataclass(frozen=True)
class Release:
    """An installed chart, whose deployment has its name.

    Attributes:
        prefix: of the store `default`.
    """

    cluster: Cluster
    name: str = NAME
    namespace: str = NAMESPACE
    prefix: str = "pbt"

    def log(self, *, tail: int) -> str:
        """The end of the operator's log."""
        command = ("logs", f"deployment/{self.name}", f"--namespace={self.namespace}", f"--tail={tail}")
        done = self.cluster.kubectl(*command, check=False)
        return done.stdout + done.stderr

    def pods(self) -> list[str]:
        """The names of the operator's pods."""
        selector = f"--selector=app.kubernetes.io/instance={self.name},app.kubernetes.io/component=operator"
        command = ("get", "pods", f"--namespace={self.namespace}", selector, "--output=json")
        return [pod["metadata"]["name"] for pod in json.loads(self.cluster.kubectl(*command).stdout)["items"]]

    def wait_ready(self) -> None:
        """Waits until the newest pod of the deployment is ready."""
        command = ("rollout", "status", f"deployment/{self.name}", f"--namespace={self.namespace}")
        self.cluster.kubectl(*command, "--timeout=180s")


def values(cluster: Cluster, server: Server, *, session: str) -> dict[str, Any]:
    """Values for the cluster's MinIO; the operator starts anew in each session, for its image has a fixed name."""
    repository, _, tag = cluster.operator_image.rpartition(":")
    return {
        "stores": [
            {
                "name": "default",
                "bucket": server.bucket,
                "prefix": Release.prefix,
                "endpoint": ENDPOINT,
                "region": "us-east-1",
                "pathStyle": True,
                "credentialsSecretRef": {"name": SECRET},
            }
        ],
        "pollSeconds": 1,
        "image": {"repository": repository, "tag": tag},
        "podAnnotations": {"pbt.dev/test-session": session},
        "crds": {"keep": False},
        "uninstall": {"force": True},
    }


@contextmanager
def installed(cluster: Cluster, server: Server) -> Iterator[Release]:
    """The release for the length of the block; processes that ask at the same time share it."""
    users = cluster.access.folder / "release.users"
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    try:
        with held(users, shared=True):
            with changing(cluster):
                _install(cluster, server, session=session)
            yield Release(cluster)
    finally:
        with alone(users) as last:
            if last:
                _uninstall(cluster)


@contextmanager
def changing(cluster: Cluster) -> Iterator[None]:
    """For the length of the block nobody else changes the release: helm refuses a second operation on it."""
    with held(cluster.access.folder / "release.lock"):
        yield


def _install(cluster: Cluster, server: Server, *, session: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    credentials = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    secret = {"name": SECRET, "namespace": NAMESPACE}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": credentials},
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.kubectl("apply", "-f", "-", input=listed)
    done = cluster.helm(
        *("upgrade", "--install", NAME, str(CHART), f"--namespace={NAMESPACE}", "--values=-"),
        *("--wait", "--timeout=180s"),
        input=json.dumps(values(cluster, server, session=session)),
        check=False,
    )
    if done.returncode:
        described = cluster.kubectl("describe", "pods", f"--namespace={NAMESPACE}", check=False).stdout
        raise AssertionError(f"{done.stderr}\n{described}\n{Release(cluster).log(tail=60)}")


def _uninstall(cluster: Cluster) -> None:
    cluster.helm("uninstall", NAME, f"--namespace={NAMESPACE}", "--wait")
    cluster.kubectl("delete", "namespace", NAMESPACE)
