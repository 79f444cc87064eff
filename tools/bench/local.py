"""Ours on this machine: a population of the workload, trained by `pbt run`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.marks import Mark, read
from fixtures.manifests import population
from pbt_operator.runners.local.warden import processes

SCRIPT = Path(__file__).parent / "trainers" / "ours.py"
NAME = "bench"


class RunFailed(Exception):
    """A run that was to be measured didn't come to its end; the message holds the end of its output."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is trained, the same for ours and for the peer.

    Attributes:
        num_bytes: of the state.
        step_seconds: of one step, by waiting.
        spins: loops of computation instead, where positive.
        rates: the members' first learning rates, one each.
    """

    num_bytes: int = 1 << 20
    steps: int = 60
    interval: int = 10
    step_seconds: float = 0.05
    spins: int = 0
    rates: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)

    def environment(self, marks: Path) -> dict[str, str]:
        """What the workload reads."""
        return {
            "BENCH_MARKS": str(marks),
            "BENCH_BYTES": str(self.num_bytes),
            "BENCH_STEP_SECONDS": str(self.step_seconds),
            "BENCH_SPINS": str(self.spins),
            "OMP_NUM_THREADS": "1",
        }


@dataclass(frozen=True)
class Run:
    """A run that is over: its marks, and where its records lie (nowhere on this machine if they went to a server)."""

    marks: list[Mark]
    location: Path
    log: str

    def records(self, kind: str) -> dict[str, tuple[float, dict[str, Any]]]:
        """By name, when each record of a kind was written (CLOCK_MONOTONIC), and the record."""
        offset = next(mark.more["wall"] - mark.t for mark in self.marks if mark.what == "opened")
        return {
            path.relative_to(self.location / kind).as_posix(): (
                path.stat().st_mtime - offset,
                json.loads(path.read_text()),
            )
            for path in sorted((self.location / kind).rglob("*.json"))
        }


def train(
    folder: Path,
    settings: Settings,
    *,
    restart: str = "InPlace",
    slots: int | None = None,
    script: Path = SCRIPT,
    environment: Mapping[str, str] | None = None,
    base: str | None = None,
    seconds: float = 300.0,
) -> Run:
    """Trains one population to its end.

    Args:
        folder: empty; for its manifest, records, logs and marks.
        settings: of the workload.
        restart: as in the manifest.
        slots: `parallelism`.
        script: what trains.
        environment: of the runner and its trainers.
        base: an s3:// URL for the records in place of the folder.
        seconds: after so long it is ended.

    Raises:
        RunFailed: it didn't complete.
    """
    marks = folder / "marks"
    marks.mkdir(parents=True)
    manifest = folder / "population.yaml"
    wanted = spec(settings, restart, slots, script)
    manifest.write_text(yaml.safe_dump(population(NAME, wanted)))
    command = [sys.executable, "-m", "pbt_operator.cli.main", "run", str(manifest)]
    command += ["--dir", base or str(folder / "runs")]
    together = {"BENCH_MEMBERS": str(len(settings.rates))} if not slots else {}
    surroundings = {**os.environ, **settings.environment(marks), **together, **(environment or {})}
    log = folder / "log.txt"
    code = bounded(command, folder=folder, environment=surroundings, log=log, seconds=seconds)
    if code != 0:
        raise RunFailed(f"pbt run ended with {code}: {log.read_text()[-2000:]}")
    return Run(read(marks), folder / "runs" / NAME, log.read_text())


def bounded(
    command: list[str], *, folder: Path, environment: Mapping[str, str], log: Path, seconds: float
) -> int | None:
    """Runs a command, and leaves none of the processes behind that it started.

    Returns:
        The exit code; None if it had to be ended.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process, mark=f"BENCH_MARKS={environment['BENCH_MARKS']}")


def _end(process: "subprocess.Popen[bytes]", *, mark: str) -> None:
    """Also processes that were orphaned and have a session of their own: all inherit the variable."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
    while left := [pid for pid in processes() if mark in _environment(pid)]:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _environment(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    except OSError:  # gone, or somebody else's
        return []


def spec(settings: Settings, restart: str, slots: int | None, script: Path = SCRIPT) -> dict[str, Any]:
    """A population of the workload, as the manifest has it."""
    return {
        "members": len(settings.rates),
        **({"parallelism": slots} if slots else {}),
        "objective": {"metric": "score", "goal": "Maximize"},
        "schedule": {
            "totalSteps": settings.steps,
            "intervalSteps": settings.interval,
            "quorumPercent": 100,
        },
        "hyperparameters": [{"name": "lr", "uniform": {"min": 0, "max": 1}}],
        "initial": [{"lr": rate} for rate in settings.rates],
        "strategy": "Explicit",
        "exploit": {"truncation": {"percent": 25}},
        "explore": {"factors": [0.8, 1.25], "resamplePercent": 25},
        "restart": restart,
        "seed": 1,
        "template": {"spec": {"containers": [{"name": "trainer", "command": ["python", str(script)]}]}},
    }
