"""One end of the socket between a trainer and its courier: typed messages, with file descriptors beside them.

A message is its length in 8 bytes and then JSON. The file descriptors that belong to it travel with the
length.
"""

import select
import socket
import struct
import threading
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from pbt_trainer.courier.messages import Message

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 18
_ANCILLARY = socket.CMSG_SPACE(8 * struct.calcsize("i"))

M = TypeVar("M")


class Channel(Generic[M]):
    """One end of the socket. Any thread may send, one may receive."""

    def __init__(self, end: socket.socket, incoming: Any) -> None:
        """Takes over `end`.

        Args:
            end: a connected stream socket.
            incoming: the union of the messages that may arrive.
        """
        self._socket = end
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(incoming)
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._sending = threading.Lock()
        self._received = bytearray()
        self._descriptors: deque[int] = deque()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Sends; the descriptors stay open here.

        Raises:
            OSError: the other end is gone.
        """
        payload = msgspec.json.encode(message)
        length = [_LENGTH.pack(len(payload))]
        with self._sending:
            if descriptors:
                socket.send_fds(self._socket, length, descriptors)
            else:
                self._socket.sendall(length[0])
            self._socket.sendall(payload)

    def receive(self, timeout: float | None = 0.0) -> M | None:
        """The next message; None if none has come within `timeout` seconds. A timeout of None waits without limit.

        Raises:
            EOFError: the other end is gone.
        """
        while (message := self._next()) is None:
            if not self._poll.poll(None if timeout is None else timeout * 1000):
                return None
            try:
                self._read()
            except ConnectionError as error:
                raise EOFError from error
        return message

    def descriptors(self, count: int) -> list[int]:
        """The next `count` descriptors that arrived; the caller closes them."""
        return [self._descriptors.popleft() for _ in range(count)]

    def close(self) -> None:
        """Closes this end; the other end reads the end of the stream."""
        self._socket.close()

    def _read(self) -> None:
        data, ancillary, _, _ = self._socket.recvmsg(_CHUNK, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise EOFError
        self._received += data
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors.extend(array("i", payload))

    def _next(self) -> M | None:
        start = _LENGTH.size
        if len(self._received) < start:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        if len(self._received) < start + length:
            return None
        payload = bytes(self._received[start : start + length])
        del self._received[: start + length]
        return self._decoder.decode(payload)
