"""The cluster itself: a control plane and two workers, created and deleted by kind."""

import json
from dataclasses import dataclass
from pathlib import Path

from kindcluster import network
from kindcluster.access import Access
from kindcluster.engine import Engine
from kindcluster.loading import IN_NODE, layers
from kindcluster.machine import ClusterError, run, step
from kindcluster.node_image import node_image
from programs.build import cache

GPUS = 2
"""Of `nvidia.com/gpu` on each worker; the scheduler counts them, nothing else knows them."""


@dataclass(frozen=True)
class Kind:
    """The cluster of this name on an engine; it need not exist."""

    engine: Engine
    name: str

    @property
    def access(self) -> Access:
        """The way in, as its administrator."""
        return Access(cache() / "clusters" / self.name / "kubeconfig", f"kind-{self.name}")

    @property
    def kept(self) -> bool:
        """Whether it stays when no test uses it."""
        return self._mark.exists()

    def keep(self) -> None:
        """Lets it stay until it is deleted."""
        self._mark.touch()

    @property
    def _mark(self) -> Path:
        return self.access.kubeconfig.with_name("kept")

    @property
    def nodes(self) -> list[str]:
        """The nodes' containers, which are called as the nodes are."""
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        return sorted(self.engine("ps", "--all", "--filter", label, "--format", "{{.Names}}").split())

    @property
    def workers(self) -> list[str]:
        """The nodes that pods of tests run on."""
        return [node for node in self.nodes if "control-plane" not in node]

    def runs(self) -> bool:
        """Whether all nodes are up, made from the node image that would be made now, and the API server answers."""
        if len(self.nodes) != 3 or not self.access.kubeconfig.exists():
            return False
        inspect = ("inspect", "--format", "{{.State.Running}} {{.Config.Image}}", *self.nodes)
        image = _image(self.engine)
        if any(line != f"true {image or line.split()[1]}" for line in self.engine(*inspect).splitlines()):
            return False
        try:
            self.access.kubectl("get", "--raw", "/readyz")
        except ClusterError:
            return False
        return True

    def create(self) -> None:
        """Creates it; what has begun is removed again where that fails.

        Raises:
            ClusterError: it doesn't start; the message holds the end of the node's log.
        """
        image = _image(self.engine)
        self.access.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        layers().mkdir(parents=True, exist_ok=True)
        options = [
            "--name",
            self.name,
            "--kubeconfig",
            str(self.access.kubeconfig),
            "--retain",
            "--config",
            "-",
        ]
        if image:
            options += ["--image", image]
        configuration = json.dumps(_configuration(own_network=self.engine.name == "podman"))
        try:
            with step("creating the cluster"):
                self.engine.kind("create", "cluster", *options, input=configuration)
                self.repair()
                self.access.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
        except BaseException as error:
            log = self._log() if isinstance(error, ClusterError) else ""
            self.delete()
            if isinstance(error, ClusterError):
                raise ClusterError(f"{error}\n{log}") from error
            raise

    def repair(self) -> None:
        """Gives nodes what they lose by a restart: routes, and a worker's GPUs."""
        listed = json.loads(self.access.kubectl("get", "nodes", "-o", "json").stdout)["items"]
        if self.engine.name == "podman":
            network.connect(self.engine, {node["metadata"]["name"]: _addresses(node) for node in listed})
        patch = json.dumps({"status": {"capacity": {"nvidia.com/gpu": f"{GPUS}"}}})
        for node in self.workers:
            self.access.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)

    def delete(self) -> None:
        """Deletes its nodes with their volumes; nothing happens where there is none."""
        nodes = self.nodes
        if nodes:
            # Nothing in them is worth the seconds of an orderly end.
            self.engine.succeeds("kill", *nodes)
        self.engine.kind("delete", "cluster", "--name", self.name, "--kubeconfig", self.access.kubeconfig)
        run(["rm", "-rf", self.access.kubeconfig.parent, self.access.folder])

    def _log(self) -> str:
        """The end of what the newest trouble is likely to be told in."""
        commands = (
            "journalctl --no-pager -n 15 -u kubelet",
            "journalctl --no-pager -n 5 -p warning -u containerd",
        )
        parts = []
        for node in self.nodes:
            for command in commands:
                try:
                    parts.append(f"{node}: {command}\n{self.engine.execute(node, *command.split())}")
                except ClusterError as error:
                    parts.append(f"{node}: {error}")
        return "\n".join(parts)


def _image(engine: Engine) -> str | None:
    """The node image; None is kind's public default."""
    return node_image() if engine.name == "podman" else None


def _addresses(node: dict[str, dict[str, list[dict[str, str]]]]) -> tuple[str, str]:
    [address] = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    return address, str(node["spec"]["podCIDR"])


def _configuration(*, own_network: bool) -> dict[str, object]:
    """kind's configuration file.

    Args:
        own_network: leave pod networking to `network`, and take kube-proxy's mode that asks least of the kernel.
    """
    kubelet = "kind: KubeletConfiguration\nfailCgroupV1: false\n"
    # A lost node shows in seconds rather than in the default's minute.
    control_plane = (
        "kind: ClusterConfiguration\n"
        "controllerManager:\n  extraArgs:\n  - {name: node-monitor-grace-period, value: 16s}\n"
    )
    # Nodes use the layers that this machine has unpacked.
    mounts = [{"hostPath": str(layers()), "containerPath": IN_NODE, "readOnly": True}]
    node = {"extraMounts": mounts} if own_network else {}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": True, "kubeProxyMode": "nftables", "podSubnet": "10.244.0.0/16"}
        if own_network
        else {},
        "kubeadmConfigPatches": [kubelet, control_plane],
        "nodes": [{"role": role, **node} for role in ("control-plane", "worker", "worker")],
    }
