"""MinIO in the cluster: deployed with the bucket `experiments`, and reached from this machine."""

import base64
import json
import re
import secrets
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

from kindcluster.access import Access
from kindcluster.machine import ClusterError
from support.s3server import Server

BUCKET = "experiments"
_NAMESPACE = "minio"
_SECRET = ("--namespace=minio", "secret", "minio-root")


def deploy(access: Access, *, image: str) -> bool:
    """Deploys MinIO where it lacks; it may not be ready yet. Says whether it lacked.

    Raises:
        ClusterError: the cluster refuses it.
    """
    new = not access.kubectl("get", "namespace", _NAMESPACE, "--ignore-not-found", "-o", "name").stdout
    manifest = Template(Path(__file__).with_name("minio.yaml").read_text()).substitute(image=image)
    access.kubectl("apply", "-f", "-", input=manifest)
    if not access.kubectl("get", *_SECRET, "--ignore-not-found", "-o", "name").stdout:
        literals = {"MINIO_ROOT_USER": secrets.token_hex(8), "MINIO_ROOT_PASSWORD": secrets.token_hex(16)}
        access.kubectl("create", "-f", "-", input=json.dumps(_secret("minio-root", "minio", literals)))
    return new


def remove(access: Access) -> None:
    """Removes MinIO with all that it holds."""
    access.kubectl("delete", "namespace", _NAMESPACE, "--wait=false")


def make_ready(access: Access) -> None:
    """Waits for MinIO and makes its bucket.

    Raises:
        ClusterError: it isn't ready in time.
    """
    access.kubectl("rollout", "status", "deployment/minio", "--namespace=minio", "--timeout=120s")
    with forwarded(access) as server:
        client = server.client()
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.close()


def introduce(access: Access) -> None:
    """Makes the Secrets of the README's first steps: the operator's in its namespace, the trainers' in `default`."""
    user, password = _root(access)
    keys = {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": password}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pbt-system"}}
    secrets_ = [_secret("store", "pbt-system", keys), _secret("s3", "default", keys)]
    listed = {"apiVersion": "v1", "kind": "List", "items": [namespace, *secrets_]}
    access.kubectl("apply", "-f", "-", input=json.dumps(listed))


@contextmanager
def forwarded(access: Access) -> Iterator[Server]:
    """MinIO on a port of loopback, for the length of the block.

    Raises:
        ClusterError: it can't be reached.
    """
    user, password = _root(access)
    forward = access.kubectl_command(
        "port-forward", "--namespace=minio", "--address=127.0.0.1", "service/minio", ":9000"
    )
    with subprocess.Popen(
        forward, env=access.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            port = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", line)
            if not port:
                raise ClusterError(f"MinIO can't be reached: {line}")
            # It tells of every connection, and would wait for a reader.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Server(f"http://127.0.0.1:{port[1]}", user, password, BUCKET)
        finally:
            process.terminate()


def _root(access: Access) -> tuple[str, str]:
    data = json.loads(access.kubectl("get", *_SECRET, "-o", "json").stdout)["data"]
    user, password = (base64.b64decode(data[f"MINIO_ROOT_{name}"]).decode() for name in ("USER", "PASSWORD"))
    return user, password


def _secret(name: str, namespace: str, data: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
