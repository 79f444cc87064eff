"""kind's node image, built from pinned Go modules on Debian: what `kindest/node` is where it can't be pulled."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kindcluster import debian
from kindcluster.engine import buildah
from kindcluster.machine import ClusterError, digest, run, succeeds
from programs.build import KUBERNETES, binaries, source

_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "util-linux", "mount", "kmod", "e2fsprogs", "procps"),
    *("bash", "gawk", "jq", "curl", "ca-certificates", "pigz", "libseccomp2"),
    *(
        "iproute2",
        "iptables",
        "nftables",
        "ebtables",
        "conntrack",
        "ethtool",
        "socat",
        "containernetworking-plugins",
    ),
)
_PROGRAMS = {
    "containerd": "usr/local/bin",
    "containerd-shim-runc-v2": "usr/local/bin",
    "ctr": "usr/local/bin",
    "runc": "usr/local/sbin",
    "kubelet": "usr/bin",
    "kubeadm": "usr/bin",
    "kubectl": "usr/bin",
}
_IMAGES = ("etcd", "coredns", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_CHANGES = (
    'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    "ENV container=docker",
    "STOPSIGNAL SIGRTMIN+3",
)
_CRI = ("cri.v1.images", "cri.v1.runtime", "grpc.v1.cri")
_CNI = ("host-local", "loopback", "ptp", "portmap")


def node_image() -> str:
    """The name of the node image, which is built where it isn't here.

    Raises:
        BuildError: a program can't be built.
        ClusterError: the image can't be made.
    """
    programs = binaries(*_PROGRAMS, *_IMAGES)
    recipe = digest(Path(__file__), _PAUSE, *(str(path.parent.name) for path in programs.values()))

    def prepare(root: Path) -> None:
        _base(root)
        _install(root, programs)
        _preload(root, programs)

    return debian.image(
        "node", release="bookworm", packages=_PACKAGES, prepare=prepare, recipe=recipe, changes=_CHANGES
    )


_PAUSE = Path(__file__).with_name("pause.c")


def _base(root: Path) -> None:
    """What kind's own images/base/Dockerfile does with its files, systemd and the product hook."""
    files = source("kind", "sigs.k8s.io/kind") / "images" / "base" / "files"
    for folder in ("etc", "kind", "usr"):
        # The module cache is read-only, and its files are not executable.
        run(["cp", "-r", "--no-preserve=mode,ownership", files / folder, root])
    scripts = [*(root / "usr/local/bin").iterdir(), *(root / "kind/bin").iterdir()]
    for script in scripts:
        script.chmod(0o755)
    system = root / "lib/systemd/system"
    for pattern in (
        "multi-user.target.wants/*",
        "local-fs.target.wants/*",
        "basic.target.wants/*",
        "sockets.target.wants/*udev*",
        "sockets.target.wants/*initctl*",
        "sysinit.target.wants/systemd-tmpfiles-setup.service",
    ):
        for unit in system.glob(pattern):
            unit.unlink()
    for unit in root.glob("etc/systemd/system/*.wants/*"):
        unit.unlink()
    with (root / "etc/systemd/journald.conf").open("a") as repository:
        repository.write("ReadKMsg=no\n")
    units = ["kubelet.service", "containerd.service", "undo-mount-hacks.service"]
    run(["chroot", root, "systemctl", "enable", *units])
    run(["chroot", root, "systemctl", "mask", "systemd-binfmt.service"])
    configuration = root / "etc/containerd/config.toml"
    text = configuration.read_text()
    # Without CAP_SYS_RESOURCE nobody may lower a score.
    changed = text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    if changed == text:
        raise ClusterError("kind's containerd configuration no longer says restrict_oom_score_adj = false")
    configuration.write_text(changed)


def _install(root: Path, programs: dict[str, Path]) -> None:
    for name, folder in _PROGRAMS.items():
        shutil.copy(programs[name], root / folder / name)
    for folder in ("opt/cni/bin", "etc/kubernetes/manifests", "etc/cni/net.d"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for plugin in _CNI:
        (root / "opt/cni/bin" / plugin).symlink_to(f"/usr/lib/cni/{plugin}")
    spec = json.loads(run([programs["ctr"], "oci", "spec"]))
    spec.setdefault("hooks", {}).setdefault("createContainer", []).append(
        {"path": "/kind/bin/mount-product-files.sh"}
    )
    spec["process"].pop("rlimits", None)
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(spec))
    (root / "kind/version").write_text(f"v{KUBERNETES}")


def _preload(root: Path, programs: dict[str, Path]) -> None:
    """Puts the images of the control plane into the node's containerd, unpacked only where they are used."""
    names = run(
        [programs["kubeadm"], "config", "images", "list", f"--kubernetes-version=v{KUBERNETES}"]
    ).split()
    with tempfile.TemporaryDirectory() as temporary, _containerd(root, programs, Path(temporary)) as ctr:
        for name in [*names, "registry.k8s.io/pause:3.10"]:
            program = name.rpartition("/")[2].partition(":")[0]
            context, archive = Path(temporary) / program, Path(temporary) / "image.tar"
            if not context.exists():
                _fill(context, program, root, programs)
            buildah("bud", "--quiet", "--tag", name, "--file", context / "Dockerfile", context / "files")
            buildah("push", "--quiet", name, f"docker-archive:{archive}:{name}")
            buildah("rmi", name)
            run([*ctr, "images", "import", "--no-unpack", archive])
            archive.unlink()


def _fill(context: Path, program: str, root: Path, programs: dict[str, Path]) -> None:
    """A folder to build one image of: a static program, with what else it starts."""
    folder = context / "files" / "usr" / "local" / "bin"
    folder.mkdir(parents=True)
    if program == "pause":
        run(["gcc", "-static", "-Os", "-s", "-o", folder / program, _PAUSE])
    else:
        shutil.copy(programs[program], folder / program)
    if program == "kube-proxy":
        _copy_nft(root, context / "files")
    dockerfile = f'FROM scratch\nCOPY . /\nENTRYPOINT ["/usr/local/bin/{program}"]\n'
    (context / "Dockerfile").write_text(dockerfile)


def _copy_nft(root: Path, target: Path) -> None:
    """kube-proxy writes its rules by Debian's nft, which brings its libraries."""
    listed = run(["chroot", root, "ldd", "/usr/sbin/nft"]).split()
    for file in ["/usr/sbin/nft", *(word for word in listed if word.startswith("/"))]:
        copy = target / file.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy((root / file.lstrip("/")), copy)


@contextmanager
def _containerd(root: Path, programs: dict[str, Path], folder: Path) -> Iterator[list[str | Path]]:
    """A containerd of this machine on the node's folder; gives the words with which ctr reaches it."""
    socket, configuration, log = (
        folder / "containerd.sock",
        folder / "containerd.toml",
        folder / "containerd.log",
    )
    configuration.write_text(
        f"version = 3\nroot = '{root}/var/lib/containerd'\nstate = '{folder}/state'\n"
        f"disabled_plugins = {[f'io.containerd.{plugin}' for plugin in _CRI]}\n"
        f"[grpc]\naddress = '{socket}'\n"
    )
    ctr: list[str | Path] = [programs["ctr"], "--address", socket, "--namespace", "k8s.io"]
    with log.open("wb") as output:
        command = [str(programs["containerd"]), "--config", str(configuration)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not succeeds([*ctr, "version"]):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"containerd didn't start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield ctr
    finally:
        process.terminate()
        process.wait()
