"""The trainer's end of the socket to its courier: hands work over, and learns what came of it."""

import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self, TypeVar, cast

from pbt_contract import errors
from pbt_contract.assignment import Assignment
from pbt_contract.errors import ExitCode, StoreRefused, StoreUnavailable
from pbt_contract.records import Birth, Report
from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.messages import (
    Await,
    Began,
    Failed,
    Fetched,
    Keep,
    Logged,
    Look,
    Looked,
    Mark,
    Message,
    Notice,
    Offer,
    Opened,
    Replaced,
    Restored,
    Take,
    Taken,
    Unclaimed,
    Upload,
    Uploaded,
)
from pbt_trainer.courier.start import beginning, start_courier
from pbt_trainer.exit import leave
from pbt_trainer.log import logger
from pbt_trainer.signals import Termination

_SLICE_SECONDS, _END_SECONDS = 0.1, 10.0  # a signal must not wait for the courier

N = TypeVar("N", bound=Message)


class Link:
    """What the trainer knows of its courier's work.

    Every call may end the process: with `ExitCode.STORAGE` after a failed upload or the courier's death, `ACCESS` if
    the store refuses, `UNCLAIMED` if another process has the birth.

    Attributes:
        offer: a takeover that is ready.
        taken: the one that was claimed last.
        replaced: why another process is this member now.
        termination: whether SIGTERM came; it ends waiting.
        bound: the last round that may be trained for; infinite without a bound, negative while that isn't known.
        in_vain: why there is no bound though there are gates, until somebody takes it from here.
        dropped: whether the last takeover left an upload behind, whose memory the courier may still read.
        nonce: of this process's claims.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        channel: Channel[Notice],
        *,
        folder: Path,
        termination: Termination,
    ) -> None:
        """Use `open`.

        Args:
            process: the courier.
            channel: to it.
            folder: for its downloads and for copies of files; removed at the end.
            termination: ends waiting.
        """
        self.offer = self.taken = cast("Offer | None", None)
        self.replaced = self.in_vain = self._pending = cast("str | None", None)
        self.dropped, self.bound, self.nonce = False, -1.0, ""
        self._process: subprocess.Popen[bytes] | None = process
        self._channel, self._folder, self.termination = channel, folder, termination
        self._heard: dict[type[Message], Message] = {}
        self._keep, self._num_spools, self._awaited = False, 0, 0

    @classmethod
    def open(cls, assignment: Assignment, *, leads: bool, ranks: int, termination: Termination) -> Self:
        """Starts the courier, which begins at once.

        Args:
            assignment: what to take part in.
            leads: whether to claim and write; other ranks only read.
            ranks: how many there are: several can't agree on whose life to continue with.
            termination: ends waiting.
        """
        folder = Path(assignment.prefetched or tempfile.mkdtemp(prefix="pbt-"))
        begin = beginning(assignment, folder=folder, leads=leads, ranks=ranks)
        link = cls(*start_courier(), folder=folder, termination=termination)
        link.nonce = begin.nonce
        link._send(begin)
        return link

    def birth(self) -> Birth:
        """Waits until the birth is claimed."""
        return self._hear(Began, beginning=True).birth

    def fetched(self) -> Fetched:
        """Waits until the checkpoint to start from is here."""
        return self._hear(Fetched, beginning=True)

    def restored(self) -> None:
        """The checkpoint that was fetched may be removed."""
        self._send(Restored())

    # checkpoints

    @property
    def uploading(self) -> bool:
        """Whether something that was handed over isn't committed yet."""
        return self._pending is not None

    def spool(self) -> Path:
        """A new name for a folder of files to hand over; the courier removes it."""
        self._num_spools += 1
        return self._folder / f"spool-{self._num_spools}"

    def upload(self, report: Report, *, memory: Mapping[str, tuple[int, int]], spool: Path | None) -> None:
        """Hands a checkpoint over; one at a time.

        Args:
            report: complete but for its checkpoint and files.
            memory: by name, descriptor and bytes of each memory file, which must not change until it is committed.
            spool: a folder with further files.
        """
        assert not self.uploading
        self._pending = report.key
        sizes = {name: size for name, (_, size) in memory.items()}
        order = Upload(report=report, sizes=sizes, spool=None if spool is None else str(spool))
        self._send(order, [descriptor for descriptor, _ in memory.values()])

    def mark(self, report: Report) -> None:
        """Hands one more record of the newest checkpoint over, complete but for that; once that is committed."""
        self._pending = report.key
        self._send(Mark(report=report))

    def flush(self) -> bool:
        """Waits until everything is committed; False if the grace period after SIGTERM ended first."""
        return self._await(lambda: not self.uploading)

    # successors

    def poll(self) -> None:
        """Takes in what the courier has sent; one system call where it sent nothing."""
        while self._take_in(0.0):
            pass

    def successor(self, *, timeout: float) -> Birth | None:
        """The birth that replaces this one, if the store says so within `timeout` seconds."""
        self._heard.pop(Looked, None)
        self._send(Look())
        answered = self._await(lambda: Looked in self._heard, timeout=timeout)
        return self._hear(Looked).successor if answered else None

    def may_begin(self, number: int) -> bool:
        """Whether the steps of this round may begin; if not, the courier is asked to say when."""
        if self.bound >= number:
            return True
        if self._awaited != number:
            self._awaited = number
            self._send(Await(round=number))
        return False

    def listen(self) -> float:
        """Waits a moment for the courier to say something; the seconds that it took."""
        began = time.monotonic()
        self._take_in(_SLICE_SECONDS)
        return time.monotonic() - began

    def await_offer(self) -> Offer:
        """The takeover that is ready, here or on another rank."""
        while self.offer is None:
            self._take_in(_SLICE_SECONDS)
        return self.offer

    def take(self, offer: Offer, *, why: str | None = None) -> bool:
        """Claims a takeover, see `Take`, and drops what isn't committed; False if another process was faster."""
        self.dropped, self._pending = self.uploading, None
        self._heard.pop(Taken, None)
        self._send(Take(member=offer.birth.member, incarnation=offer.birth.incarnation, why=why))
        won = self._hear(Taken).won
        if won:
            self.taken, self.offer, self.replaced = offer, None, None  # the rest was about the former life
            self._awaited = 0
        elif self.offer is offer:
            self.offer = None
        return won

    # the end

    def keep(self) -> str:
        """Leaves the downloads for the next image of this process, and says where they are."""
        self._keep = True
        self._send(Keep())
        return str(self._folder)

    def close(self) -> None:
        """Ends the courier; what isn't committed is lost. Does nothing a second time."""
        if self._process is None:
            return
        self._channel.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = self._pending = None
        if not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)

    def disown(self) -> None:
        """For a forked child: the courier is its parent's."""
        self._channel.close()
        self._process = self._pending = None

    # the socket

    def _send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        try:
            self._channel.send(message, descriptors)
        except OSError:
            self._lost()

    def _await(
        self, ready: Callable[[], bool], *, timeout: float = math.inf, beginning: bool = False
    ) -> bool:
        end = time.monotonic() + timeout
        while not ready():
            if beginning and self.termination.requested:
                leave(ExitCode.DONE, "SIGTERM before the first step")
            if time.monotonic() >= min(end, self.termination.deadline):
                return False
            self._take_in(_SLICE_SECONDS)
        return True

    def _hear(self, kind: type[N], *, beginning: bool = False) -> N:
        if not self._await(lambda: kind in self._heard, beginning=beginning):
            leave(ExitCode.DONE, f"the grace period ended before the courier answered ({kind.__name__})")
        return cast("N", self._heard[kind])

    def _take_in(self, timeout: float) -> bool:
        """Whether there was a message."""
        try:
            notice = self._channel.receive(timeout)
        except EOFError:
            self._lost()
        if notice is not None:
            self._note(notice)
        return notice is not None

    def _note(self, notice: Notice) -> None:
        match notice:
            case Began() | Fetched() | Looked() | Taken():
                self._heard[type(notice)] = notice
            case Uploaded(record=record):
                if record == self._pending:  # else it belongs to a former life
                    self._pending = None
            case Opened(up_to=up_to, why=why):
                self.bound, self.in_vain = math.inf if up_to is None else up_to, why
            case Offer():
                self.offer = notice
            case Replaced(reason=reason):
                self.replaced = reason
            case Unclaimed(reason=reason):
                leave(ExitCode.UNCLAIMED, reason)
            case Failed(error=error, message=message):
                self._failed(error, message)
            case Logged(level=level, message=message):
                logger.log(level, "%s", message)

    def _failed(self, error: str, message: str) -> NoReturn:
        self._pending = None  # without a name it is a fault of the machine: a full disk, for example
        kind = getattr(errors, error, None) if error else RuntimeError
        if kind is None or issubclass(kind, StoreUnavailable):
            at_start = Fetched not in self._heard or self.bound < 0  # later it is an outage
            code = ExitCode.ACCESS if at_start and kind is StoreRefused else ExitCode.STORAGE
            leave(code, f"giving up on the store: {message}")
        raise kind(message)

    def _lost(self) -> NoReturn:
        status = "unknown" if self._process is None else self._process.wait(_END_SECONDS)
        self.close()
        leave(ExitCode.STORAGE, f"the helper process that stores checkpoints died (exit status {status})")
