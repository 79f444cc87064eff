"""A trainer's storage I/O, in a process of its own: training never waits for a store.

The courier claims the birth, fetches the checkpoint to start from, uploads and commits what is handed over, and watches
for the next birth: its member's own in place and, where members share slots, whichever it is asked to continue with.
Each order runs in a thread of its own; the main thread only listens and so never misses the end.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from pbt_contract.errors import NotFound, PbtError, StoreUnavailable
from pbt_contract.records import Birth, Report
from pbt_contract.stores import Store, open_store
from pbt_trainer.courier.arrival import Arrival
from pbt_trainer.courier.bell import Bell
from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.gate_watch import GateWatch
from pbt_trainer.courier.gatekeeper import Gatekeeper
from pbt_trainer.courier.incarnation import Incarnation, ReportedElsewhere
from pbt_trainer.courier.messages import (
    Await,
    Began,
    Begin,
    Failed,
    Fetched,
    Keep,
    Look,
    Looked,
    Mark,
    Notice,
    Offer,
    Order,
    Replaced,
    Restored,
    Take,
    Taken,
    Unclaimed,
    Upload,
    Uploaded,
)
from pbt_trainer.courier.retry import Abandoned, Retry
from pbt_trainer.courier.successor import SuccessorWatch
from pbt_trainer.courier.upload import in_folder, in_memory, store_checkpoint
from pbt_trainer.log import logger


class Courier:
    """Carries one process's records and checkpoints to and from the store."""

    def __init__(self, channel: Channel[Order], begin: Begin, *, store: Store | None = None) -> None:
        """Does nothing yet.

        Args:
            channel: to the trainer.
            begin: what to take part in.
            store: in place of the one that `begin` names.
        """
        self._channel = channel
        self._begin = begin
        self._store = store
        self._retry = Retry(begin.patience_seconds)
        self._arrival, self._bell = Arrival(begin, self._retry), Bell(begin.bell)
        self._incarnation: Incarnation | None = None
        self._moving = threading.Lock()  # after a takeover the trainer hears nothing more of its former life
        self._offered: list[Incarnation] = []
        self._abandoned = threading.Event()
        self._successor_watch: SuccessorWatch | None = None
        self._gatekeeper: Gatekeeper | None = None
        self._keep = False
        self._committed: Report | None = None  # by the current life, last

    def serve(self) -> None:
        """Works until the trainer's end of the socket is closed."""
        self._work(self._start)
        while True:
            try:
                order = self._channel.receive(None)
            except EOFError:
                return
            assert order is not None
            self._dispatch(order)

    def remove_folder(self) -> None:
        """Removes all downloads, unless the next image of this process is to find them."""
        if self._keep:
            return
        for _ in range(100):  # a download under way may add a file meanwhile
            shutil.rmtree(self._begin.folder, ignore_errors=True)
            if not Path(self._begin.folder).exists():
                return
            time.sleep(0.01)

    def _dispatch(self, order: Order) -> None:
        match order:
            case Upload():
                descriptors = self._channel.descriptors(len(order.sizes))
                self._work(partial(self._upload, order, descriptors, self._abandoned))
            case Mark():
                self._work(partial(self._mark, order.report, self._abandoned))
            case Await():
                self._gates.awaits(order.round)
            case Look():
                self._work(self._look)
            case Take():
                self._abandoned.set()
                self._abandoned = threading.Event()
                self._work(partial(self._take, order))
            case Restored():
                self._arrival.forget(self._current)
            case Keep():
                self._keep = True
            case Begin():
                raise AssertionError("a second beginning")

    # work, each piece in its own thread

    def _work(self, task: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(task,), daemon=True).start()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Abandoned:
            return  # it belongs to a former life
        except PbtError as error:
            self._tell(Failed(error=type(error).__name__, message=str(error)))
        except Exception as error:  # noqa: BLE001 - a thread that only ended would leave the trainer waiting
            logger.exception("the helper process failed")
            self._tell(Failed(error="", message=f"{type(error).__name__}: {error}"))

    def _tell(self, notice: Notice) -> None:
        with suppress(OSError):  # the trainer is gone; the main thread learns it as well
            self._channel.send(notice)

    def _start(self) -> None:
        begin = self._begin
        store = self._store or self._retry.at_start(lambda: open_store(begin.location), refused_seconds=0)
        self._incarnation = Incarnation(
            store,
            member=begin.member,
            incarnation=begin.incarnation,
            pod=begin.pod,
            nonce=begin.nonce,
            ranks=begin.ranks,
            yields=begin.shares,
        )
        birth = self._arrival.promised(self._current.open)
        if not self._arrival.claim(self._current):
            self._tell(Unclaimed(reason=self._arrival.holder(self._current)))
            return
        self._bell.ring()  # its start is over: the next one may begin
        self._tell(Began(birth=birth))
        gatekeeper = self._open_gates()
        try:
            report, folder = self._arrival.fetch(self._current)
        except NotFound:  # retention deletes what only a birth that was replaced would need
            successor = self._retry.at_start(self._current.successor)
            if successor is None:
                raise
            self._tell(Unclaimed(reason=_replaced_by(successor)))
            return
        if report is not None:
            gatekeeper.lasted(report.seconds)
        successor_watch = self._new_watch()
        self._tell(Fetched(report=report, folder=folder))
        successor_watch.watch()

    def _upload(self, order: Upload, descriptors: Sequence[int], abandoned: threading.Event) -> None:
        try:
            parts = in_memory(order.sizes, descriptors) + in_folder(order.spool)
            report = store_checkpoint(
                order.report, parts, self._current, retry=self._retry, abandoned=abandoned
            )
        except ReportedElsewhere as refusal:
            self._tell(Unclaimed(reason=str(refusal)))
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            if order.spool is not None:
                shutil.rmtree(order.spool, ignore_errors=True)
        self._committed = report
        self._tell_committed(report)
        if report.round is not None and self._successor_watch is not None:
            self._successor_watch.reported()
            self._gates.reported(report.round, report.seconds)

    def _mark(self, report: Report, abandoned: threading.Event) -> None:
        known = self._committed
        assert known is not None, "it marks what was committed"
        marked = replace(report, checkpoint=known.checkpoint, files=known.files)
        try:
            self._retry.later(lambda: self._current.commit(marked), abandoned=abandoned)
        except ReportedElsewhere as refusal:
            self._tell(Unclaimed(reason=str(refusal)))
            return
        self._tell_committed(marked)

    def _tell_committed(self, record: Report) -> None:
        self._bell.ring()
        self._tell(Uploaded(record=record.key))

    def _look(self) -> None:
        try:
            successor = self._current.successor()
        except StoreUnavailable as error:
            logger.warning("the store can't be asked for a successor: %s", error)
            successor = None
        self._tell(Looked(successor=successor))

    def _take(self, order: Take) -> None:
        taken = self._current.other(order.member, order.incarnation)
        won = not self._begin.leads or self._arrival.take(taken, why=order.why)
        with self._moving:
            useless = [taken]
            if won:
                former, kept = [*self._offered, self._current], self._arrival.downloads(taken)
                useless = [life for life in former if self._arrival.downloads(life) != kept]
                self._incarnation, self._offered, self._committed = taken, [], None
                self._gates.becomes(taken)
            successor_watch = self._new_watch() if won else None
            self._tell(Taken(won=won))
        for life in useless:
            self._arrival.forget(life)
        if successor_watch is not None:
            successor_watch.watch()

    def _new_watch(self) -> SuccessorWatch:
        """A watch over the current life, in place of the former life's."""
        if self._successor_watch is not None:
            self._successor_watch.close()
        begin = self._begin
        self._successor_watch = SuccessorWatch(
            self._current,
            self,
            poll_seconds=begin.poll_seconds,
            follows=begin.watch,
            shares=begin.shares,
        )
        return self._successor_watch

    def _open_gates(self) -> Gatekeeper:
        watch = GateWatch(self._current, poll_seconds=self._begin.poll_seconds)
        patience = self._begin.patience_seconds
        self._gatekeeper = Gatekeeper(
            watch, patience_seconds=patience, opened=self._tell, followed=self._look_now
        )
        if self._begin.leads:  # other ranks may never need to know
            self._gatekeeper.start()
        self._work(self._gatekeeper.serve)
        return self._gatekeeper

    def _look_now(self) -> None:
        if self._successor_watch is not None:
            self._successor_watch.hurry()

    # what the watch has found

    def replaced(self, birth: Birth, *, life: Incarnation) -> None:
        """See `Listener.replaced`."""
        with self._moving:
            if life is self._incarnation:
                self._tell(Replaced(reason=_replaced_by(birth)))

    def offer(self, birth: Birth, following: Incarnation, *, life: Incarnation) -> None:
        """See `Listener.offer`. Fetches what the birth needs while training continues."""
        report, folder = self._arrival.fetch(following)
        with self._moving:
            if life is self._incarnation:
                self._offered.append(following)
                self._tell(Offer(birth=birth, report=report, folder=folder))
                return
        self._arrival.forget(following)

    # parts of it

    @property
    def _current(self) -> Incarnation:
        assert self._incarnation is not None, "orders come after the beginning"
        return self._incarnation

    @property
    def _gates(self) -> Gatekeeper:
        assert self._gatekeeper is not None, "orders come after the beginning"
        return self._gatekeeper


def _replaced_by(birth: Birth) -> str:
    return f"incarnation {birth.incarnation} was born: {birth.reason}"
