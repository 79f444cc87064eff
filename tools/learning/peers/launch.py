"""Runs jobs of the peers from the project's environment, in a process of theirs that takes one after the other.

`python -m learning.peers.launch MODULE ARGUMENTS` runs a module of this package there, such as `real_tune`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import msgspec

from bench import peer
from learning.peers.job import Job, write

ROOT = Path(__file__).parents[3]
PATHS = ("tools", "operator", "trainer_image")
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's own setting by which it listens on 127.0.0.1 alone."""


class PeerEnded(Exception):
    """The peers' process ended in the middle of a job; the message has the end of what it said."""


class Peers:
    """A process in the peers' environment, which runs one job after the other. By `started`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def run(self, job: Job) -> dict[str, Any]:
        """Runs a job.

        Returns:
            As `learning.peers.job.done`; with `error` in place of an outcome where it failed.

        Raises:
            PeerEnded: the process died over it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(write(asdict(job)) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise PeerEnded(f"exit code {code} over {job}: {self._log.read_text()[-2000:]}")
        found: dict[str, Any] = msgspec.json.decode(line)
        return found


@contextmanager
def started(log: Path) -> Iterator[Peers]:
    """A process for jobs, which ends with the block.

    Args:
        log: the file for what it says on stderr.

    Raises:
        bench.peer.PeerMissing: the environment can't be made.
    """
    command = [str(peer.python()), "-m", "learning.peers"]
    with log.open("a") as told, _process(command, told) as process:
        yield Peers(process, log)


def environment() -> dict[str, str]:
    """Of a process of the peers: our packages beside theirs, one thread each, and nothing that Ray would do besides."""
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join(str(ROOT / folder) for folder in PATHS)
    return {**inherited, **peer.ONLY, **threads, **LOOPBACK, "PYTHONPATH": path}


@contextmanager
def _process(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment(),
        cwd=ROOT,
    ) as process:  # closes its stdin at the end, upon which it ends
        try:
            yield process
        except BaseException:
            process.kill()
            raise


if __name__ == "__main__":
    module, *arguments = sys.argv[1:]
    command = [str(peer.python()), "-m", f"learning.peers.{module}", *arguments]
    sys.exit(subprocess.run(command, env=environment(), check=False).returncode)
