"""What a cluster needs of this machine: the right to make one, Debian's packages, commands that tell why they fail."""

import ast
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache as once
from pathlib import Path

from programs.build import cache

SKIP = "PBT_SKIP_CLUSTER"
ENGINES = ("podman", "docker")
PYTHON = "docker.io/library/python:3.11-slim"
"""The public base of the operator's image."""


class ClusterError(Exception):
    """A cluster can't be had; the message says why and what would help."""


@once
def provider() -> str:
    """The container engine that kind runs on: `$PBT_KIND_PROVIDER`, else Docker where it works, else podman.

    Raises:
        ClusterError: the variable names another.
    """
    named = os.environ.get("PBT_KIND_PROVIDER")
    if named and named not in ENGINES:
        raise ClusterError(f"PBT_KIND_PROVIDER={named}: it is one of {', '.join(ENGINES)}")
    return named or ("docker" if _docker_works() else "podman")


def why_not() -> str | None:
    """Why this machine can have no cluster, or None."""
    if os.environ.get(SKIP) == "1":
        return f"{SKIP}=1: nothing is tested on a cluster"
    if platform.system() != "Linux":
        return "the tests' own cluster needs Linux; PBT_E2E_KUBECONFIG can name another"
    if provider() == "docker":
        return None
    if os.geteuid() != 0:
        return "Docker can't be used here, and a kind cluster on podman needs root"
    if not shutil.which("podman") and not shutil.which("apt-get"):
        return "Docker can't be used here, and podman can be installed on Debian only"
    return None


def install(**packages: str) -> None:
    """Installs what lacks of Debian's packages, each given as `package="a file that it brings"`.

    Raises:
        ClusterError: one lacks and can't be installed.
    """
    names = [name.replace("_", "-") for name, file in packages.items() if not Path(file).exists()]
    if not names:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(f"these Debian packages are needed: {' '.join(names)}")
    say(f"installing {', '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with held(cache() / "apt.lock"):
        run(["apt-get", "update", "-qq"], environment=environment)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], environment=environment)


def run(
    command: Iterable[str | Path],
    *,
    input: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Runs a command and returns what it prints.

    Raises:
        ClusterError: it failed; the message holds the end of its output.
    """
    words = [str(word) for word in command]
    content = input.encode() if isinstance(input, str) else input
    try:
        done = subprocess.run(words, input=content, env=environment, capture_output=True, check=False)
    except OSError as error:
        raise ClusterError(f"{' '.join(words)}: {error}") from error
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace")[-4000:].strip()
        raise ClusterError(f"{' '.join(words)} failed ({done.returncode}): {said}")
    return done.stdout.decode(errors="replace")


def succeeds(command: Iterable[str | Path], *, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a command ends with 0."""
    words = [str(word) for word in command]
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0


def digest(*parts: str | bytes | Path) -> str:
    """Names what is made of texts and files, in 16 characters; comments and form of Python's files don't count."""
    made = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        if isinstance(part, Path) and part.suffix == ".py":
            content = ast.unparse(ast.parse(content))
        made.update(hashlib.sha256(content.encode() if isinstance(content, str) else content).digest())
    return made.hexdigest()[:16]


@contextmanager
def held(file: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds a lock for the length of the block; it waits for others, unless all share it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def alone(file: Path) -> Iterator[bool]:
    """Holds a lock for the length of the block, if nobody holds or shares it now; says whether that is so."""
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def step(words: str) -> Iterator[None]:
    """Says what is done, and how many seconds it took."""
    began = time.monotonic()
    say(f"{words} ...")
    yield
    say(f"{words}: {time.monotonic() - began:.1f} s")


def say(words: str) -> None:
    """Tells the person in front of it."""
    print(words, file=sys.stderr, flush=True)


def _docker_works() -> bool:
    """Whether Docker runs and has, or can pull, what images are built on."""
    if shutil.which("docker") is None or not succeeds(["docker", "info"]):
        return False
    return succeeds(["docker", "image", "inspect", PYTHON]) or succeeds(["docker", "pull", "--quiet", PYTHON])
