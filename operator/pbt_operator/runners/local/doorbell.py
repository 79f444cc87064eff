"""What wakes the runner when a trainer has made a record: a socket of this machine that trainers send a byte to."""

import contextlib
import socket
import uuid


class Doorbell:
    """An abstract UNIX datagram socket. It goes with the process, and nobody need answer.

    Attributes:
        name: without the leading NUL; for `Assignment.bell`.
    """

    def __init__(self, name: str, bound: socket.socket) -> None:
        """Takes a socket that is bound to the name."""
        self.name, self._socket = name, bound

    @classmethod
    def open(cls) -> "Doorbell":
        """One with a name of its own."""
        name = f"pbt-{uuid.uuid4().hex}"
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        bound.setblocking(False)
        bound.bind(f"\0{name}")
        return cls(name, bound)

    def fileno(self) -> int:
        """Readable when it has rung, until `clear`."""
        return self._socket.fileno()

    def clear(self) -> None:
        """Lets it ring again; what has rung so far is answered by one pass."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

    def close(self) -> None:
        """Nobody hears it any more."""
        self._socket.close()
