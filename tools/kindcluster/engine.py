"""The container engine below kind: Docker as it is, or podman with settings and storage of its own.

Podman's images, containers and networks lie in the cache's folder `containers`: nothing of the machine's own
podman is seen or touched, and nothing under /etc is changed.
"""

import hashlib
import os
import resource
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from kindcluster.machine import install, run, succeeds
from programs.build import binaries, cache

# Without a mount of its own, files of the storage can be linked into folders beside it.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{state}/storage"

[storage.options.overlay]
skip_mount_home = "true"
"""

# The engine's defaults exceed the hard limits of some machines; crun refuses hybrid cgroups, which runc takes;
# without netavark's DNS a worker can't resolve the control plane; without systemd or a repository, files do.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
pids_limit = 0

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{state}/libpod"

[engine.runtimes]
runc = ["{runc}"]

[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""


@dataclass(frozen=True)
class Engine:
    """One engine's command line and the environment that it needs; the same words work on both."""

    name: str
    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, input: bytes | None = None) -> str:
        """Runs the engine's command and returns what it prints.

        Raises:
            ClusterError: it failed.
        """
        return run([self.name, *arguments], input=input, environment=self.environment)

    def succeeds(self, *arguments: str | Path) -> bool:
        """Whether the engine's command ends with 0."""
        return succeeds([self.name, *arguments], environment=self.environment)

    def execute(self, node: str, *command: str, input: bytes | None = None) -> str:
        """Runs a command in a node, or any container."""
        return self("exec", *(["-i"] if input is not None else []), node, *command, input=input)

    def kind(self, *arguments: str | Path, input: str | None = None) -> str:
        """Runs kind on this engine.

        Raises:
            ClusterError: it failed.
        """
        environment = {**self.environment, "KIND_EXPERIMENTAL_PROVIDER": self.name}
        if self.name == "podman":
            environment["KIND_EXPERIMENTAL_PODMAN_NETWORK"] = network_name()
        return run([binaries("kind")["kind"], *arguments], input=input, environment=environment)

    def has(self, image: str) -> bool:
        """Whether an image is here."""
        return self.succeeds("image", "inspect", image)


@once
def docker() -> Engine:
    """Docker, with the user's settings."""
    return Engine("docker", dict(os.environ))


@once
def podman() -> Engine:
    """Podman, installed where it lacks.

    Raises:
        ClusterError: it can't be had.
    """
    install(
        podman="/usr/bin/podman",
        buildah="/usr/bin/buildah",
        netavark="/usr/lib/podman/netavark",
        aardvark_dns="/usr/lib/podman/aardvark-dns",
        conmon="/usr/bin/conmon",
        iptables="/usr/sbin/iptables",
        iproute2="/usr/sbin/ip",
        libseccomp_dev="/usr/include/seccomp.h",
        pkg_config="/usr/bin/pkg-config",
        gcc="/usr/bin/gcc",
        libc6_dev="/usr/include/stdio.h",
    )
    # kind mounts it into its nodes.
    Path("/lib/modules").mkdir(parents=True, exist_ok=True)
    folder = cache() / "containers"
    state = Path("/run") / network_name()
    settings = {
        "storage.conf": _STORAGE.format(folder=folder, state=state),
        "containers.conf": _CONTAINERS.format(
            folder=folder,
            state=state,
            runc=binaries("runc")["runc"],
            files=_hard_limit(resource.RLIMIT_NOFILE, 1048576),
            # podman lowers its own limit to the number of process ids.
            processes=_hard_limit(resource.RLIMIT_NPROC, int(Path("/proc/sys/kernel/pid_max").read_text())),
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in settings.items():
        (folder / name).write_text(content)
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }
    return Engine("podman", environment)


def network_name() -> str:
    """The network of the nodes. All of a machine's podmans share one DNS server, which knows networks by name."""
    return f"pbt-{hashlib.sha256(bytes(cache() / 'containers')).hexdigest()[:8]}"


def buildah(*arguments: str | Path) -> str:
    """Runs buildah on podman's storage.

    Raises:
        ClusterError: it failed.
    """
    return run(["buildah", *arguments], environment=podman().environment)


def _hard_limit(limit: int, most: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)
