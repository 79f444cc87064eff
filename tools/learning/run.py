"""Runs a plan on all cores: each has a process for our own arms, and one for the peers' where there are any."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import msgspec

from bench.peer import PeerMissing
from learning.arms import ARMS
from learning.peers.job import Job
from learning.peers.launch import PeerEnded, started
from learning.peers.registry import PEERS
from learning.plan import Plan
from learning.results import Results, Row

ROOT = Path(__file__).parents[2]
Say = Callable[[str], None]
SAID_EVERY = 30.0


class Runs(Protocol):
    """What runs jobs one after the other: a process of ours, or of the peers'."""

    def run(self, job: Job) -> dict[str, Any]:
        """The result's line; with `error` where it failed."""
        ...


class Own:
    """A process for our own arms."""

    def __init__(self, stack: ExitStack) -> None:
        """Starts it. It ends with the stack, or with this process."""
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        self._process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "learning.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **threads, "PYTHONPATH": str(ROOT / "tools")},
                cwd=ROOT,
            )
        )

    def run(self, job: Job) -> dict[str, Any]:
        """Runs a job.

        Raises:
            RuntimeError: the process died over it; it said why on stderr.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(asdict(job)).decode() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()} over {job}")
        found: dict[str, Any] = msgspec.json.decode(line)
        return found


class Jobs:
    """What is left to do, handed out one by one until the time is over."""

    def __init__(self, jobs: Iterable[Job], minutes: float | None) -> None:
        self._jobs, self._lock = iter(jobs), Lock()
        self._ends = time.monotonic() + 60 * minutes if minutes else None

    def __iter__(self) -> Iterator[Job]:
        while self._ends is None or time.monotonic() < self._ends:
            with self._lock:
                job = next(self._jobs, None)
            if job is None:
                return
            yield job


def run(plan: Plan, results: Results, *, processes: int, say: Say) -> None:
    """Runs what of a plan the results lack.

    Args:
        plan: all that is to be there in the end.
        results: to which each run is appended.
        processes: how many run at once.
        say: what takes a line about the progress.

    Raises:
        ValueError: an arm doesn't exist.
    """
    unknown = [arm for arm in plan.arms if arm not in ARMS and arm not in PEERS]
    if unknown:
        raise ValueError(f"there is no arm {', '.join(unknown)}; there are {', '.join([*ARMS, *PEERS])}")
    left = [job for job in plan.jobs() if key_of(job) not in results.rows]
    say(f"{len(left)} runs are left")
    jobs, progress = Jobs(left, plan.minutes), Progress(len(left), say)
    with ThreadPoolExecutor(processes) as pool:
        for done in [pool.submit(_work, jobs, results, progress, core) for core in range(processes)]:
            done.result()


def key_of(job: Job) -> tuple[str, str, int, str, int]:
    """What a job's row is known by."""
    return job.task, job.form, job.members, job.arm, job.seed


class Progress:
    """Says now and then how far a run is."""

    def __init__(self, total: int, say: Say) -> None:
        self._total, self.say, self._lock = total, say, Lock()
        self._done, self._began = 0, time.monotonic()
        self._said = self._began

    def one(self, row: Row) -> None:
        """A run has ended."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if row.error is not None:
                self.say(f"{row.key} failed: {row.error}")
            if now - self._said > SAID_EVERY or self._done == self._total:
                self._said = now
                rate = self._done / (now - self._began)
                self.say(f"{self._done} of {self._total} runs, {rate:.1f} a second")


def _work(jobs: Jobs, results: Results, progress: Progress, core: int) -> None:
    """One core's share. Where there are no peers, their jobs are left out."""
    with ExitStack() as stack:
        known: dict[str, Runs | None] = {}
        for job in jobs:
            kind = "own" if job.arm in ARMS else "peers"
            try:
                if kind not in known:
                    known[kind] = Own(stack) if kind == "own" else _peers(stack, results.file, core)
                runs = known[kind]
                if runs is None:
                    continue
                line = runs.run(job)
            except PeerMissing as error:
                known[kind] = None
                progress.say(f"there are no peers: {error}")
                continue
            except PeerEnded as error:
                del known[kind]
                line = {**asdict(job), "error": str(error)}
            row = msgspec.convert(line, type=Row)
            results.add(row)
            progress.one(row)


def _peers(stack: ExitStack, file: Path, core: int) -> Runs:
    return stack.enter_context(started(file.with_suffix(f".peers-{core}.log")))
