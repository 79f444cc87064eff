"""The machine: what it is, what is installed, and how much of it others used while we measured."""

import ctypes
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from bench import peer

PR_SET_CHILD_SUBREAPER = 36
PACKAGES = ("numpy", "torch", "boto3", "msgspec", "safetensors", "pbt-operator")
ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
KERNEL = 2
"""The parent of all kernel threads."""
SAMPLED_EVERY = 1.0


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
    """Measures the block. What is started within is ours for good: orphans become our children."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    usage, others = Usage(), _Others()
    began, stolen = time.monotonic(), _stolen()
    try:
        with others.sampled():
            yield usage
    finally:
        _reap()
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        usage.seconds = time.monotonic() - began
        usage.others = (others.seconds + _stolen() - stolen) / usage.seconds
        usage.load_after = os.getloadavg()[0]


class _Others:
    """The CPU seconds of processes that aren't below this one, kernel threads aside: these work for whoever writes.

    By looking at all once a second. What the kernel says of a process's children when they are waited for isn't
    enough: nobody waits for those of a process that ignores SIGCHLD, as Ray's does.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._ours: set[_Process] = set()
        self._known: dict[_Process, float] = {}
        self._over = threading.Event()
        self._look(counting=False)

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Looks on for the length of the block."""
        thread = threading.Thread(target=self._follow)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _follow(self) -> None:
        while not self._over.wait(SAMPLED_EVERY):
            self._look(counting=True)
        self._look(counting=True)

    def _look(self, *, counting: bool) -> None:
        found = dict(_processes())
        parents = {process.pid: parent for process, (parent, _) in found.items()}
        for process, (parent, used) in found.items():
            if (
                process.pid == os.getpid()
                or self._is_ours(process, parents)
                or KERNEL in {process.pid, parent}
            ):
                continue
            if counting:
                self.seconds += used - self._known.get(process, 0.0)
            self._known[process] = used

    def _is_ours(self, process: "_Process", parents: Mapping[int, int]) -> bool:
        if process in self._ours:
            return True
        pid = process.pid
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                self._ours.add(process)
                return True
        return False


class _Process(NamedTuple):
    """One process: a number alone is given anew."""

    pid: int
    started: int


def _processes() -> Iterator[tuple[_Process, tuple[int, float]]]:
    """All processes: each with its parent, and the CPU seconds that it has used."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone since
            continue
        used = (int(fields[11]) + int(fields[12])) / TICKS
        yield _Process(int(folder.name), int(fields[19])), (int(fields[1]), used)


def _stolen() -> float:
    """CPU seconds that a neighbour took since the machine started."""
    return int(Path("/proc/stat").read_text().splitlines()[0].split()[8]) / TICKS


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
