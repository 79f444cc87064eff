"""Watches for what follows a life while its process trains: the next birth, and requests to go on with another one."""

import threading
import time
from typing import Protocol

from pbt_contract import keys
from pbt_contract.errors import PbtError, StoreUnavailable
from pbt_contract.records import Birth
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.pace import Pace
from pbt_trainer.log import logger


class Listener(Protocol):
    """Receives what a watch finds."""

    def replaced(self, birth: Birth, *, life: Incarnation) -> None:
        """Another process continues the life's member, or none does."""
        ...

    def offer(self, birth: Birth, following: Incarnation, *, life: Incarnation) -> None:
        """The process may continue with this birth, a later one of its own member or another member's.

        Raises:
            PbtError: it can't, because something that the birth needs is missing.
        """
        ...


class SuccessorWatch:
    """Watches one life until it is closed or something follows it."""

    def __init__(
        self, life: Incarnation, listener: Listener, *, poll_seconds: float, follows: bool, shares: bool
    ) -> None:
        """Asks nothing yet.

        Args:
            life: what to watch.
            listener: receives what is found.
            poll_seconds: between two looks while nothing is expected.
            follows: whether the process takes its member's next birth over unasked.
            shares: whether members share slots, so that this process may be asked to continue with another birth.
        """
        self._life, self._listener = life, listener
        self._follows, self._shares = follows, shares
        self._request = 1  # the number of the next one
        self._pace = Pace(poll_seconds, time.monotonic())
        self._woken = threading.Event()
        self._closed = self._hurried = False

    def reported(self) -> None:
        """A ready report was committed."""
        self._woken.set()

    def hurry(self) -> None:
        """Something follows, as others have seen: it looks now."""
        self._hurried = True
        self._woken.set()

    def close(self) -> None:
        """Ends `watch`, which finds nothing more."""
        self._closed = True
        self._woken.set()

    def watch(self) -> None:
        """Looks until something follows, or nothing can any more."""
        while (self._follows or self._shares) and self._due():
            try:
                birth = self._life.successor() if self._follows else None
                if birth is not None:
                    self._announce(birth)
                    return
                if self._shares and self._offer_asked():
                    self._request += 1
                    self._shares = self._request <= keys.MOST_REQUESTS
            except StoreUnavailable:
                pass
            except PbtError as error:  # a new pod comes instead, and says the same if it fails as well
                number = self._life.number + 1
                logger.warning("incarnation %d can't be taken over in place: %s", number, error)
                return
            self._pace.looked(time.monotonic())

    def _due(self) -> bool:
        """Waits for the next look; False where the watch was closed meanwhile."""
        while True:
            woken = self._woken.wait(self._pace.wait(time.monotonic()))
            if self._closed:
                return False
            if woken:
                self._woken.clear()
                if self._hurried:
                    self._hurried = False
                    return True
                self._pace.reported(time.monotonic())
            if not self._pace.wait(time.monotonic()):
                return True

    def _announce(self, birth: Birth) -> None:
        if birth.cause.resumes or birth.cause.closes:
            self._listener.replaced(birth, life=self._life)
        else:
            self._listener.offer(birth, self._life.next(), life=self._life)

    def _offer_asked(self) -> bool:
        """Whether the process was asked once more to continue with another birth, possible or not.

        It is asked again only where somebody else has the birth before, which can't be taken any more.
        """
        try:
            other = self._life.yielded(self._request)
            if other is not None:
                self._listener.offer(other.open(), other, life=self._life)
        except StoreUnavailable:
            raise
        except PbtError as error:  # a new pod comes instead
            logger.warning("the birth that was asked for can't be taken over by this process: %s", error)
            return True
        return other is not None
