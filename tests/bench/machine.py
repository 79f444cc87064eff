"""The machine: what it is, what is installed, and how much of it others used while we measured."""

import ctypes
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench import peer

PR_SET_CHILD_SUBREAPER = 36
PACKAGES = ("numpy", "torch", "boto3", "msgspec", "safetensors", "pbt-operator")
ROOT = Path(__file__).parents[2]


def describe() -> dict[str, Any]:
    """What the figures depend on."""
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "ray": peer.version(),
        "kernel": platform.release(),
        "cpu": cpus[0] if cpus else platform.processor(),
        "cores": os.cpu_count(),
        "memoryGiB": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "commit": _commit(),
    }


@dataclass
class Usage:
    """What was measured of one block.

    Attributes:
        others: cores that processes which aren't below this one kept busy on the average.
    """

    seconds: float = 0.0
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    load_after: float = 0.0
    others: float = 0.0


@contextmanager
def watched() -> Iterator[Usage]:
    """Measures the block. Orphans of our children become ours, so that their time counts as ours when they end."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    usage = Usage()
    began, busy, own = time.monotonic(), _busy(), _own()
    try:
        yield usage
    finally:
        _reap()
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        usage.seconds = time.monotonic() - began
        usage.others = max(0.0, (_busy() - busy) - (_own() - own)) / usage.seconds
        usage.load_after = os.getloadavg()[0]


def _busy() -> float:
    """CPU seconds of the whole machine since it started, a neighbour's theft of ours included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """CPU seconds of this process and of all that ended below it."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _reap() -> None:
    """Takes in the orphans that have ended; the children that `subprocess` knows were waited for by it."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit, with a + where the checkout differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
