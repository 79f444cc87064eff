"""An operator that stands by until it holds the lease, drives while it does, and gives the lease back."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from pbt_operator.runners.kubernetes.api_errors import ApiError
from pbt_operator.runners.kubernetes.health import Health
from pbt_operator.runners.kubernetes.lease import RENEWALS, Lease

JOIN_SECONDS = 5.0
LOG = logging.getLogger(__name__)


def in_turn(lease: Lease, *, seconds: float, health: Health, drive: Callable[[], None]) -> bool:
    """Calls `drive` when this operator holds the lease; returns False if it ended because another one holds it.

    An operator that can't reach the API server drives on: what it decides is written once, so that a second one could
    not decide differently. It ends when it sees that another one has taken the lease.

    Args:
        lease: what two operators agree by.
        seconds: after which a lease that wasn't renewed is free.
        health: lives and is ready while this operator stands by.
        drive: returns after SIGTERM and SIGINT.
    """
    try:
        return not _stand_by(lease, seconds / RENEWALS, health) or _drive(lease, seconds / RENEWALS, drive)
    finally:
        with suppress(ApiError):  # it ends by itself
            lease.release()


def _drive(lease: Lease, pause: float, drive: Callable[[], None]) -> bool:
    LOG.info("holds the lease: drives from now on")
    renewal = _Renewal(lease, pause)
    renewal.start()
    try:
        drive()
    finally:
        renewal.close()
    return not renewal.lost


def _stand_by(lease: Lease, pause: float, health: Health) -> bool:
    """Whether it is this operator's turn now; else it was told to end."""
    with _ending() as ending:
        holder = None
        while not ending.is_set():
            health.beat()
            with _told_once_a_look():
                if lease.seek():
                    return not ending.is_set()
                health.become_ready()
                if lease.holder != holder:
                    LOG.info("stands by: %s holds the lease", lease.holder)
                holder = lease.holder
            ending.wait(pause)
    return False


@contextmanager
def _told_once_a_look() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        LOG.warning("can't read or write the lease: %s", error)


@contextmanager
def _ending() -> Iterator[Event]:
    """Is set by a signal to end; a process that is the first of its container would not end by itself."""
    ending = Event()
    before = {
        number: signal.signal(number, lambda *_: ending.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Renewal:
    """A thread that renews a lease.

    Attributes:
        lost: whether another operator has it.
    """

    def __init__(self, lease: Lease, pause: float) -> None:
        self.lost = False
        self._lease, self._pause, self._closed = lease, pause, Event()
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Renews it from now on."""
        self._thread.start()

    def close(self) -> None:
        """Renews it no more."""
        self._closed.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closed.wait(self._pause):
            with _told_once_a_look():
                if not self._lease.seek():
                    self.lost = True
                    LOG.error("ends: %s holds the lease", self._lease.holder)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
