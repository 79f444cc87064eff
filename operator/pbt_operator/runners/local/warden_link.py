"""The runner's end of its warden: starts it, sends it orders and receives what became of them."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from pbt_contract.errors import PbtError


class WardenLost(PbtError):
    """The warden ended, and every trainer with it."""


class WardenLink:
    """A connection to the warden of one population; to be closed, which ends every trainer."""

    def __init__(self, process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
        """Takes a warden that runs."""
        self._process, self._socket = process, connection
        self._buffer = b""

    @classmethod
    def open(cls, *, lock: int) -> "WardenLink":
        """Starts a warden.

        Args:
            lock: a descriptor of the locked location, which stays open as long as any trainer lives.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "pbt_operator.runners.local.warden", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), lock),
                start_new_session=True,
            )
        return cls(process, ours)

    def fileno(self) -> int:
        """Readable when a process has started or ended."""
        return self._socket.fileno()

    def close(self) -> None:
        """Ends every trainer at once, and the warden."""
        self._socket.close()
        self._process.wait()

    def send(self, **message: Any) -> None:
        """Orders something.

        Raises:
            WardenLost: the warden is gone.
        """
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise WardenLost(f"the process that keeps the trainers is gone: {error}") from error

    def receive(self) -> Iterator[dict[str, Any]]:
        """What the warden has said since the last time; doesn't wait.

        Raises:
            WardenLost: the warden is gone.
        """
        data = b""
        with contextlib.suppress(BlockingIOError):
            try:
                while chunk := self._socket.recv(65536, socket.MSG_DONTWAIT):
                    data += chunk
            except ConnectionResetError as error:  # it ended before it read all that it was ordered
                raise WardenLost(f"the process that keeps the trainers is gone: {error}") from error
            raise WardenLost("the process that keeps the trainers is gone")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        yield from map(json.loads, lines)
