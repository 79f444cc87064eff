"""The warden: a process that starts trainers, tells when they end, and outlives the runner just to end them.

The runner may be killed at any moment, so not it is the parent of the trainers but the warden: a child subreaper, so
whatever a trainer leaves behind becomes its child, and when the runner's end of the socket closes it kills all that
it finds below itself. It also keeps the runner's lock on the location open until then.

Run as `python -m pbt_operator.runners.local.warden FD`, FD being one end of a stream socket that carries a JSON line
a message.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
RUNNERS_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
REAP_SECONDS = 0.01
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW


def main(fd: int) -> None:
    """Serves one runner until it is gone."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in RUNNERS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the runner decides when the trainers end
    warden = Warden.open(socket.socket(fileno=fd))
    try:
        warden.serve()
    finally:
        kill_descendants()


class Warden:
    """The trainers, by name."""

    def __init__(self, runner: socket.socket, *, wake: int) -> None:
        """Starts nothing yet.

        Args:
            runner: the connection to it.
            wake: a pipe that becomes readable when a child has ended.
        """
        self._runner, self._wake = runner, wake
        self._trainers: dict[int, tuple[str, str]] = {}  # by pid: the name and the mark
        self._buffer = b""

    @classmethod
    def open(cls, runner: socket.socket) -> "Warden":
        """Notices from now on when a child of this process ends."""
        wake, write = os.pipe()
        for end in (wake, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return cls(runner, wake=wake)

    def serve(self) -> None:
        """Obeys until the runner's end is closed."""
        waits = select.poll()  # the runner's end has the number that it has in the runner, above 1023 perhaps
        for each in (self._runner.fileno(), self._wake):
            waits.register(each, select.POLLIN)
        while True:
            readable = {each for each, _ in waits.poll()}
            if self._wake in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if self._runner.fileno() in readable and not self._obey():
                return

    def _obey(self) -> bool:
        data = self._runner.recv(65536)
        if not data:
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["do"] == "start":
                self._start(message)
            else:
                self._signal(message["name"], message["signal"])
        return True

    def _start(self, message: dict[str, Any]) -> None:
        try:
            with os.fdopen(os.open(message["log"], LOG_FLAGS), "ab") as log:
                process = subprocess.Popen(
                    message["command"],
                    cwd=message["directory"],
                    env=message["environment"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_begin_trainer,  # noqa: PLW1509 - this process has one thread
                )
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError)
            self._tell(name=message["name"], error=str(error), missing=is_missing)
            return
        self._trainers[process.pid] = (message["name"], message["mark"])
        # The process is waited for by os.waitpid: tell Popen that it needn't.
        process.returncode = 0
        self._tell(name=message["name"], pid=process.pid)

    def _signal(self, name: str, number: int) -> None:
        for pid, (known, _) in self._trainers.items():
            if known == name:
                with contextlib.suppress(ProcessLookupError):
                    (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            trainer = self._trainers.pop(pid, None)
            if trainer is not None:
                name, mark = trainer
                end_marked(mark.encode())
                self._tell(name=name, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._runner.sendall(json.dumps(message).encode() + b"\n")


def end_marked(mark: bytes) -> None:
    """Kills what a trainer left behind, and waits for its end, so that nothing of it writes any more.

    Whatever it started carries its mark, a variable of its environment, also in a session of its own.
    """
    while True:
        marked = [pid for pid in processes() if mark in _environment(pid)]
        if not marked:
            return
        for pid in marked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(REAP_SECONDS)


def kill_descendants() -> None:
    """Kills every process below this one, over and over, until there is none."""
    while True:
        for pid in children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(REAP_SECONDS)


def children(parent: int) -> list[int]:
    """The processes whose parent is `parent`."""
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):
            # The command's name stands in parentheses and may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(pid)
    return found


def processes() -> list[int]:
    """All processes of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, a zombie, or somebody else's
        return []


def _begin_trainer() -> None:
    """In the trainer's process, before its program: it dies with the warden, and a signal ends it.

    What the warden ignores a program would go on ignoring, until the SDK listens: through all its imports.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in RUNNERS_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main(int(sys.argv[1]))
