"""A run that is measured comes to its end, or is ended with all that it started."""

import sys
from pathlib import Path

import pytest

from bench.local import bounded
from pbt_operator.runners.local.warden import processes

ORPHAN = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", flush=True)
time.sleep(float(sys.argv[1]))
"""


def left(mark: str) -> list[int]:
    found = []
    for pid in processes():
        try:
            if mark in Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def run(folder: Path, *, sleeps: float, seconds: float) -> int | None:
    command = [sys.executable, "-c", ORPHAN, str(sleeps)]
    environment = {"BENCH_MARKS": str(folder)}
    log = folder / "log.txt"
    return bounded(command, folder=folder, environment=environment, log=log, seconds=seconds)


@pytest.mark.process
def test_orphans_with_a_session_of_their_own_are_ended_too(tmp_path):
    assert run(tmp_path, sleeps=0, seconds=60) == 0
    assert (tmp_path / "log.txt").read_text() == "started\n"
    assert left(f"BENCH_MARKS={tmp_path}") == []


@pytest.mark.process
def test_a_run_that_takes_too_long_is_ended(tmp_path):
    assert run(tmp_path, sleeps=600, seconds=3) is None
    assert left(f"BENCH_MARKS={tmp_path}") == []
