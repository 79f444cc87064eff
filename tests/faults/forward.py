"""A way to the cluster's MinIO that outlives faults: on the same port again as soon as the cluster lets it."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from support.cluster import Cluster
from support.s3server import Server
from support.servers import free_port


class _Forward:
    """A `kubectl port-forward` that is begun anew whenever it ends."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self._command = cluster.access.kubectl_command(
            "port-forward", "--namespace=minio", "--address=127.0.0.1", "service/minio", f"{port}:9000"
        )
        self._environment = cluster.environment
        self._closed = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._run, name="way to MinIO")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        while self._thread.is_alive():  # it may be starting another one
            self._process.terminate()
            self._thread.join(0.1)

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _run(self) -> None:
        while self._process.wait() is not None and not self._closed.wait(0.5):
            self._process = self._start()


@contextmanager
def kept(cluster: Cluster) -> Iterator[Server]:
    """The cluster's MinIO with its bucket, from this machine, for the length of the block."""
    with cluster.s3() as server:
        found = server
    port = free_port()
    forward = _Forward(cluster, port)
    try:
        yield replace(found, endpoint=f"http://127.0.0.1:{port}")
    finally:
        forward.close()
