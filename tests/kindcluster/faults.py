"""What happens to nodes: a kubelet that stops, a node that freezes, one that is lost, one that is cut off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kindcluster.kind import Kind


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

    def _recover(self, node: str) -> None:
        """A node that was away lacks its routes, and a kubelet that begins anew takes its GPUs for gone."""
        wait = ("wait", f"node/{node}", "--timeout=120s")
        self.cluster.access.kubectl(*wait, "--for=condition=Ready")
        self.cluster.repair()
        self.cluster.access.kubectl(*wait, "--for=jsonpath={.status.allocatable.nvidia\\.com/gpu}=2")
