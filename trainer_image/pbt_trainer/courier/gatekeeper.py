"""Asks for gates while the process trains or waits, in a thread of its own."""

import math
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

from pbt_contract.errors import StoreUnavailable
from pbt_trainer.courier.gate_watch import Found, GateWatch
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.messages import Opened


class Gatekeeper:
    """Drives a watch over the gates. Any thread may say what has happened."""

    def __init__(
        self,
        watch: GateWatch,
        *,
        patience_seconds: float,
        opened: Callable[[Opened], None],
        followed: Callable[[], None],
    ) -> None:
        """Asks nothing yet.

        Args:
            watch: nobody else uses it from now on.
            patience_seconds: how long the store may be out of reach while the trainer waits.
            opened: receives each change of the bound.
            followed: called where the life turns out to have a successor.
        """
        self._watch, self._opened, self._followed = watch, opened, followed
        self._patience = patience_seconds
        self._events: SimpleQueue[Callable[[float], None]] = SimpleQueue()

    def start(self) -> None:
        """The newest gate is wanted, though nobody waits yet."""
        self._events.put(self._watch.start)

    def lasted(self, seconds: float) -> None:
        """So long an interval takes, by the record that the process starts from."""
        self._events.put(lambda _: self._watch.lasted(seconds))

    def reported(self, number: int, seconds: float) -> None:
        """A ready report of this round was committed, whose interval took so many seconds."""
        self._events.put(partial(self._watch.reported, number, seconds))

    def awaits(self, number: int) -> None:
        """The trainer waits to begin this round."""
        self._events.put(partial(self._watch.awaits, number))

    def becomes(self, life: Incarnation) -> None:
        """The process has another life."""
        self._events.put(partial(self._watch.becomes, life))

    def serve(self) -> None:
        """Works until the process ends.

        Raises:
            StoreUnavailable: the trainer waits, and the store couldn't be reached for too long, or refused to say at
                the start how far it may train.
        """
        while True:
            pause = self._watch.wait(time.monotonic())
            try:
                event = self._events.get(timeout=None if pause == math.inf else pause)
            except Empty:
                self._look()
            else:
                event(time.monotonic())

    def _look(self) -> None:
        try:
            found = self._watch.look(time.monotonic())
        except StoreUnavailable as error:
            if self._watch.gives_up(error, time.monotonic(), patience_seconds=self._patience):
                raise
            return  # it is asked again
        if found is Found.FOLLOWED:
            self._followed()
        elif found is Found.OPENED:
            bound = self._watch.bound
            self._opened(Opened(up_to=None if bound == math.inf else int(bound), why=self._watch.in_vain))
