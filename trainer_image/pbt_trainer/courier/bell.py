"""Wakes the runner of this machine when something was stored, so that it need not poll."""

import socket
from contextlib import suppress


class Bell:
    """An abstract UNIX datagram socket of somebody who may listen. A ring that is lost costs one poll."""

    def __init__(self, name: str | None) -> None:
        """Rings nothing where there is no name."""
        self._address = None if name is None else b"\0" + name.encode()

    def ring(self) -> None:
        """Sends one byte. Nobody may listen, or hear it."""
        if self._address is None:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end,
        ):
            end.sendto(b"\n", self._address)
