"""Runs one population to its end in this process, by any runner that can wait for its pods: what `pbt run` does."""

import math
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Protocol, Self, TypeVar

from pbt_contract.errors import StoreUnavailable
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import Ownership
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.pods import Phase, Pod, Pods
from pbt_operator.control.reconcile import Looks
from pbt_operator.control.runner import Runner
from pbt_operator.control.session import Session, earlier_result
from pbt_operator.control.taking import failed_result
from pbt_operator.core.status import Result
from pbt_operator.manifest.population import Population
from pbt_operator.runners.display import Display, view

NAMESPACE = "local"
LIST_SECONDS = 60.0  # between two looks at the names of all reports


class WaitingPods(Pods, Protocol):
    """Pods that a loop in the foreground can wait for."""

    def wait(self, wake: socket.socket, seconds: float) -> None:
        """Returns when a pod starts or ends, `wake` is readable, or so many seconds have passed."""
        ...

    def close(self) -> None:
        """Ends every trainer at once."""
        ...


P_co = TypeVar("P_co", bound=WaitingPods, covariant=True)


class ForegroundRunner(Runner[P_co], Protocol[P_co]):
    """A runner that `pbt run` may choose."""

    @classmethod
    def open(
        cls, population: Population, *, source: str, base: str, parallelism: int | None
    ) -> AbstractContextManager[Self]:
        """Checks all that can be checked before a trainer starts, and keeps other runners away during the block.

        Args:
            population: the manifest.
            source: where it was read from.
            base: a folder or s3:// URL; the population's location is below it, under its name.
            parallelism: how many members train at once; the manifest's where None.

        Raises:
            ManifestError: the template can't run here.
            StoreRefused: the location can't be used.
            PbtError: another runner drives it.
        """
        ...

    @property
    def poll_seconds(self) -> float:
        """How often reports are looked for."""
        ...


class Stopped(Exception):
    """Somebody asked the runner to stop; it did, and the same command goes on later."""


def run_to_end(runner: ForegroundRunner[WaitingPods], population: Population, display: Display) -> Result:
    """Runs a population to its end; one over under this very spec isn't touched, one that failed continues.

    Raises:
        Stopped: by SIGINT or SIGTERM, with every trainer saved and ended; or the population is suspended.
        AnotherExperiment: the location holds one.
        ManifestError: it gives what strategy Auto chooses.
        StoreUnavailable: the location can't be opened.
    """
    store = runner.open_store(population.spec)
    ended = earlier_result(store, population.spec)
    if ended is not None and not ended.can_be_retried:
        return ended
    name = population.metadata.name
    try:
        session = Session.open(
            runner,
            population.spec,
            ownership=Ownership(name=name, namespace=NAMESPACE),
            emit=display.tell,
            counts=True,
            retry=failed_result(store),
        )
    except KeyboardInterrupt:
        raise Stopped from None
    with Signals.caught() as signals:
        try:
            return _Loop(
                name, session, signals, display, poll_seconds=runner.poll_seconds, is_alone=runner.is_alone
            ).run()
        finally:
            session.pods.close()


class _Loop:
    """Pass after pass of one population."""

    def __init__(
        self,
        name: str,
        session: Session[WaitingPods],
        signals: "Signals",
        display: Display,
        *,
        poll_seconds: float,
        is_alone: bool,
    ) -> None:
        """Does nothing yet."""
        self._name, self._session, self._signals, self._display = name, session, signals, display
        self._poll_seconds, self._is_alone = poll_seconds, is_alone
        self._listed = -math.inf
        self._troubles: dict[int, str] = {}
        self._reachable = True

    def run(self) -> Result:
        """To the end.

        Raises:
            Stopped: see `run_to_end`.
        """
        session, pods = self._session, self._session.pods
        while True:
            self._pass()
            seen = self._show()
            if self._signals.count:
                self._stop_all()
                raise Stopped
            last = session.last
            if last is not None and last.result is not None and all(pod.ended for pod in seen):
                return last.result
            if session.reconciler.spec.suspend and not seen:
                raise Stopped
            pods.wait(self._signals.wake, self._seconds_to_wait(last))
            self._signals.clear()

    def _seconds_to_wait(self, last: PassResult | None) -> float:
        if last is not None and last.concludes and self._reachable:
            return 0.0
        ripe_in = last.ripe_in if last is not None and self._reachable else None
        return self._poll_seconds if ripe_in is None else min(ripe_in, self._poll_seconds)

    def _looks(self) -> Looks:
        """Where nobody else writes, each member's next report has a known key: a listing is only to be sure."""
        now = time.monotonic()
        if self._is_alone and now < self._listed + LIST_SECONDS:
            return Looks.ASKS
        self._listed = now
        return Looks.LISTS

    def _pass(self) -> None:
        try:
            self._session.run_pass(self._looks())
            self._reachable = True
        except StoreUnavailable as error:
            if self._reachable:
                self._display.tell(Event("StoreUnavailable", f"waiting for the store: {error}", warning=True))
            self._reachable = False

    def _show(self) -> list[Pod]:
        seen = list(self._session.pods.observe())
        history, spec = self._session.repository.history, self._session.reconciler.spec
        self._tell_troubles(seen)
        self._display.show(view(self._name, history, spec, seen))
        return seen

    def _tell_troubles(self, seen: Sequence[Pod]) -> None:
        """Tells once what a running trainer says of the store: its disk may be full, and here all is well."""
        now = {pod.member: pod.message for pod in seen if pod.phase is Phase.RUNNING and pod.message}
        for member, told in now.items():
            if self._troubles.get(member) != told:
                self._display.tell(
                    Event("StoreUnavailable", f"member {member}: {told}", member, warning=True)
                )
        self._troubles = now

    def _stop_all(self) -> None:
        """Every trainer saves and ends; a second signal ends them at once."""
        asked = self._signals.count
        self._display.tell(
            Event("Stopping", "stopping: the trainers save and end; again to end them at once")
        )
        while self._signals.count == asked:
            running = [pod for pod in self._show() if not pod.ended]
            if not running:
                return
            for pod in running:
                self._session.pods.stop(pod)
            self._session.pods.wait(self._signals.wake, self._poll_seconds)
            self._signals.clear()


class Signals:
    """Counts SIGINT and SIGTERM.

    Attributes:
        count: how many have come.
        wake: readable when one has come, until `clear`.
    """

    def __init__(self, wake: socket.socket) -> None:
        """Counts nothing yet; see `caught`."""
        self.count, self.wake = 0, wake

    @classmethod
    @contextmanager
    def caught(cls) -> Iterator["Signals"]:
        """Catches them during the block; in another thread than the main one Python lets nobody."""
        wake, write = socket.socketpair()
        wake.setblocking(False)
        write.setblocking(False)
        signals = cls(wake)

        def count(_number: int, _frame: FrameType | None) -> None:
            signals.count += 1

        try:
            if threading.current_thread() is not threading.main_thread():
                yield signals
                return
            before = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)}
            descriptor = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
            try:
                yield signals
            finally:
                signal.set_wakeup_fd(descriptor)
                for number, handler in before.items():
                    signal.signal(number, handler)
        finally:
            wake.close()
            write.close()

    def clear(self) -> None:
        """Lets `wake` wait for the next one."""
        with suppress(BlockingIOError):
            self.wake.recv(64)
