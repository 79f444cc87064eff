"""What a process looks out for while it trains: what follows its life, and members that wait for a slot."""

import threading
import time
from typing import Protocol

from pbt_contract.errors import PbtError, StoreUnavailable
from pbt_contract.records import Birth
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.pace import Pace
from pbt_trainer.exit import say


class Heard(Protocol):
    """Who is told of what was found."""

    def replaced(self, birth: Birth, *, life: Incarnation) -> None:
        """Another process goes on with the life's member, or nobody does."""
        ...

    def offer(self, birth: Birth, following: Incarnation, *, life: Incarnation) -> None:
        """The process may go on by this birth, its own member's next one or another member's.

        Raises:
            PbtError: it can't, for what the birth needs can't be had.
        """
        ...


class SuccessorWatch:
    """For one life, until it is over or something follows it."""

    def __init__(self, life: Incarnation, heard: Heard, *, poll_seconds: float, shares: bool) -> None:
        """Asks nothing yet.

        Args:
            life: that goes on.
            heard: told of what is found.
            poll_seconds: between two looks while nothing is expected.
            shares: whether members share slots, so that another one's birth may be meant for this process.
        """
        self._life, self._heard, self._shares = life, heard, shares
        self._pace = Pace(poll_seconds, time.monotonic())
        self._woken = threading.Event()
        self._over = False

    def reported(self) -> None:
        """A ready report was committed."""
        self._woken.set()

    def close(self) -> None:
        """The life is over: `watch` comes to its end, and finds nothing more."""
        self._over = True
        self._woken.set()

    def watch(self) -> None:
        """Looks until something follows."""
        while self._due():
            try:
                birth = self._life.successor()
                if birth is not None:
                    self._announce(birth)
                    return
                self._shares = self._shares and not self._offer_another()
            except StoreUnavailable:
                pass
            except PbtError as error:  # a new pod comes instead, and says the same if it fails as well
                say(f"incarnation {self._life.number + 1} can't be taken over in place: {error}")
                return
            self._pace.looked(time.monotonic())

    def _due(self) -> bool:
        """Waits for the next look; whether the life still goes on then."""
        while True:
            woken = self._woken.wait(self._pace.wait(time.monotonic()))
            if self._over:
                return False
            if woken:
                self._woken.clear()
                self._pace.reported(time.monotonic())
            if not self._pace.wait(time.monotonic()):
                return True

    def _announce(self, birth: Birth) -> None:
        if birth.cause.resumes or birth.cause.closes:
            self._heard.replaced(birth, life=self._life)
        else:
            self._heard.offer(birth, self._life.next(), life=self._life)

    def _offer_another(self) -> bool:
        """Whether the process was asked to go on as another member, be it possible or not: nobody asks it twice."""
        try:
            other = self._life.yielded()
            if other is not None:
                self._heard.offer(other.open(), other, life=self._life)
        except StoreUnavailable:
            raise
        except PbtError as error:  # a new pod comes instead
            say(f"another member's birth can't be taken over in place: {error}")
            return True
        return other is not None
