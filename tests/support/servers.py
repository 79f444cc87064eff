"""Server processes on loopback: a free port for each, ready when they say so, ended with the block."""

import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A TCP port of loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str],
    *,
    log: Path,
    ready: urllib.request.Request | str,
    ca: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs `command` for the length of the block, which begins when the URL `ready` answers with 200.

    Args:
        command: the program and its arguments.
        log: gets what it prints.
        ready: asked until it answers.
        ca: trusted for an https URL; it may appear only when the server has started.
        environment: of the process; the own one by default.
        seconds: how long it may take.

    Raises:
        RuntimeError: it ended or didn't become ready; the message holds the end of its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + seconds
        while not _answers(ready, ca):
            if process.poll() is not None or time.monotonic() > deadline:
                name = Path(command[0]).name
                raise RuntimeError(
                    f"{name} didn't start; its log ends:\n{log.read_text(errors='replace')[-4000:]}"
                )
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(ready: urllib.request.Request | str, ca: Path | None) -> bool:
    try:
        context = ssl.create_default_context(cafile=ca) if ca else None
        with urllib.request.urlopen(ready, timeout=2, context=context):
            return True
    except (urllib.error.URLError, OSError):
        return False
