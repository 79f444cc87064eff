"""What happens to nodes: they stop, freeze, are lost, cut off or drained; and what happens to the control plane."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kindcluster.kind import Kind
from kindcluster.machine import ClusterError

MANIFESTS = "/etc/kubernetes/manifests"
SECONDS = 180.0


@dataclass(frozen=True)
class Faults:
    """Each fault lasts for the length of its block; afterwards the node is as it was, and Ready."""

    cluster: Kind

    @contextmanager
    def zombie(self, node: str) -> Iterator[None]:
        """The kubelet stops: the node is soon NotReady, its pods run on."""
        engine = self.cluster.engine
        engine.execute(node, "systemctl", "stop", "kubelet")
        try:
            yield
        finally:
            engine.execute(node, "systemctl", "start", "kubelet")
            self._recover(node)

    @contextmanager
    def frozen(self, node: str) -> Iterator[None]:
        """Every process of the node stands still, its pods too, and goes on afterwards."""
        self.cluster.engine("pause", node)
        try:
            yield
        finally:
            self.cluster.engine("unpause", node)
            self._recover(node)

    @contextmanager
    def lost(self, node: str) -> Iterator[None]:
        """The node loses its power, its pods end without notice; afterwards it boots."""
        self.cluster.engine("kill", node)
        try:
            yield
        finally:
            self.cluster.engine("start", node)
            self._recover(node)

    @contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """The node loses its network, its pods run on and reach nothing."""
        device = ("ip", "link", "set", "eth0")
        self.cluster.engine.execute(node, *device, "down")
        try:
            yield
        finally:
            self.cluster.engine.execute(node, *device, "up")
            self._recover(node)

    @contextmanager
    def drained(self, node: str) -> Iterator[None]:
        """The node is cordoned and its pods are evicted, which is over when the block begins."""
        kubectl = self.cluster.access.kubectl
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={SECONDS:g}s")
        try:
            yield
        finally:
            kubectl("uncordon", node)

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """A static pod of the control plane doesn't run: `kube-apiserver` or `etcd`. Nobody reaches the API then."""
        [node] = [node for node in self.cluster.nodes if node not in self.cluster.workers]
        engine, manifest = self.cluster.engine, f"{component}.yaml"

        def stopped() -> bool:
            return not engine.execute(node, "sh", "-c", f"pgrep -x {component} || true").strip()

        engine.execute(node, "mv", f"{MANIFESTS}/{manifest}", f"/etc/kubernetes/{manifest}")
        try:
            _until(stopped, f"{component} ends")
            yield
        finally:
            engine.execute(node, "mv", f"/etc/kubernetes/{manifest}", f"{MANIFESTS}/{manifest}")
            _until(self._answers, "the API server is ready")

    def _answers(self) -> bool:
        # By way of etcd, which /readyz may not have missed.
        asked = self.cluster.access.kubectl("get", "nodes", "--request-timeout=5s", check=False)
        ready = self.cluster.access.kubectl("get", "--raw", "/readyz", "--request-timeout=5s", check=False)
        return asked.returncode == ready.returncode == 0

    def _recover(self, node: str) -> None:
        """A node that was away lacks its routes, and a kubelet that begins anew takes its GPUs for gone."""
        wait = ("wait", f"node/{node}", "--timeout=120s")
        self.cluster.access.kubectl(*wait, "--for=condition=Ready")
        self.cluster.repair()
        self.cluster.access.kubectl(*wait, "--for=jsonpath={.status.allocatable.nvidia\\.com/gpu}=2")


def _until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not fact():
        if time.monotonic() > deadline:
            raise ClusterError(f"not within {SECONDS:g} s: {what}")
        time.sleep(0.5)
