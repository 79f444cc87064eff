"""Real runs on this machine: manifests, the runner as a process of its own, and a look for stray processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.marks import mark
from support.minio import minio
from support.trainers import TRAINERS

__all__ = ["minio"]

RUN_SECONDS = 240

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "process", below=HERE, using={"runner"})


def processes_of(location: Path) -> list[int]:
    """Every process that was started for the population at `location`, whoever its parent is by now."""
    mark = f"PBT_LOCATION=file://{location}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class Runner:
    """`pbt run` for one manifest in one folder."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.location = folder / "runs" / manifest["metadata"]["name"]
        self.file = folder / "population.yaml"
        self.file.write_text(yaml.safe_dump(manifest))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts it, with output in a pipe."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pbt_operator.cli.main", "run", str(self.file)),
                *("--dir", str(self.folder / "runs"), *arguments),
            ],
            cwd=TRAINERS,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        with self.start(*arguments, **environment) as process:
            output, _ = process.communicate(timeout=RUN_SECONDS)
            return subprocess.CompletedProcess(process.args, process.returncode, output)

    def records(self, prefix: str) -> list[dict[str, Any]]:
        """All records below a prefix, by key."""
        return [json.loads(path.read_text()) for path in sorted(self.location.glob(f"{prefix}/**/*.json"))]

    def assert_no_stray_process(self) -> None:
        """Every process of the population is gone; one that was killed just now may take a moment."""
        deadline = time.monotonic() + 30
        while left := processes_of(self.location):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Runner]]:
    """Makes runners, each in a folder of its own; leaves no process behind."""
    made: list[Runner] = []

    def make(manifest: dict[str, Any]) -> Runner:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Runner(folder, manifest))
        return made[-1]

    yield make
    for one in made:
        for pid in processes_of(one.location):
            os.kill(pid, signal.SIGKILL)
