"""What the trainer and its courier say to each other: typed messages over one socket, memory files alongside.

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

from pbt_contract.records import Birth, Report

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 18
_ANCILLARY = socket.CMSG_SPACE(8 * struct.calcsize("i"))


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The name of its class tells which one it is."""


# from the trainer


class Begin(Message, frozen=True, kw_only=True):
    """The first message: what to take part in.

    Attributes:
        leads: false for the other ranks, which only read.
        watch: look for the next birth.
        shares: look for another member's birth to go on with, too.
    """

    location: str
    member: int
    incarnation: int
    pod: str
    nonce: str
    folder: str
    leads: bool
    watch: bool
    shares: bool
    poll_seconds: float
    patience_seconds: float


class Upload(Message, frozen=True, kw_only=True):
    """Store a checkpoint and commit it.

    Attributes:
        report: complete but for its checkpoint and files.
        sizes: by name, how many bytes of each memory file; the descriptors come in this order.
        spool: a folder with further files, which the courier removes in the end.
    """

    report: Report
    sizes: dict[str, int]
    spool: str | None


class Look(Message, frozen=True):
    """Is there a successor already?"""


class Take(Message, frozen=True, kw_only=True):
    """Claim the takeover that was offered, and drop what the former life had still to store."""

    member: int
    incarnation: int


class Restored(Message, frozen=True):
    """The fetched checkpoint is not needed any more."""


class Keep(Message, frozen=True):
    """Leave the downloads where they are: the next image of this process goes on with them."""


Order = Begin | Upload | Look | Take | Restored | Keep

# from the courier


class Began(Message, frozen=True):
    """The birth is ours."""

    birth: Birth


class Unclaimed(Message, frozen=True):
    """Somebody else has the birth, or acts as if."""

    reason: str


class Fetched(Message, frozen=True):
    """The checkpoint to start from, verified; nothing where the birth has none."""

    report: Report | None
    folder: str | None


class Uploaded(Message, frozen=True):
    """The checkpoint of this record is committed."""

    record: str


class Offer(Message, frozen=True):
    """A takeover in place: the next birth, or another member's, its checkpoint fetched and verified if it has one."""

    birth: Birth
    report: Report | None
    folder: str | None


class Replaced(Message, frozen=True):
    """Another process was or will be started for this member."""

    reason: str


class Looked(Message, frozen=True):
    """The answer to `Look`: none, or none that is known of while the store can't be reached."""

    successor: Birth | None


class Taken(Message, frozen=True):
    """The answer to `Take`."""

    won: bool


class Failed(Message, frozen=True):
    """The end. `error` names a class of `pbt_contract.errors`; empty for a fault of the courier's own."""

    error: str
    message: str


Notice = Began | Unclaimed | Fetched | Uploaded | Offer | Replaced | Looked | Taken | Failed

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
        """The next message; None if none has come within `timeout` seconds. None as a timeout waits for ever.

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
        """The next `count` descriptors that came; they belong to the caller."""
        return [self._descriptors.popleft() for _ in range(count)]

    def close(self) -> None:
        """Tells the other end by the end of the stream."""
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
