"""Retries of a store: what fails is tried again, with growing pauses, for a limited time."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pbt_contract.errors import StoreRefused, StoreUnavailable
from pbt_trainer.log import logger

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0

T = TypeVar("T")


class Abandoned(Exception):
    """The result isn't wanted any more."""


class Retry:
    """Repeats actions while the store can't be reached."""

    def __init__(self, seconds: float) -> None:
        """Gives up on an action that has failed for `seconds`."""
        self._seconds = seconds

    def at_start(self, action: Callable[[], T]) -> T:
        """Repeats `action`, unless the store refuses it: before training began, a refusal doesn't mend itself.

        Raises:
            StoreRefused: the store refused it.
            StoreUnavailable: it couldn't be reached for too long.
        """
        return self._repeat(action, StoreRefused, threading.Event())

    def later(self, action: Callable[[], T], *, abandoned: threading.Event | None = None) -> T:
        """Repeats `action` even if it was refused: new credentials may be on their way.

        Args:
            action: may raise `StoreUnavailable`.
            abandoned: set when the result isn't wanted any more.

        Raises:
            Abandoned: it isn't.
            StoreUnavailable: the store couldn't be reached for too long.
        """
        return self._repeat(action, (), abandoned or threading.Event())

    def _repeat(
        self, action: Callable[[], T], hopeless: type[Exception] | tuple[()], abandoned: threading.Event
    ) -> T:
        pause, deadline = FIRST_PAUSE_SECONDS, None
        while not abandoned.is_set():
            try:
                return action()
            except hopeless:
                raise
            except StoreUnavailable as error:
                if deadline is None:
                    deadline = time.monotonic() + self._seconds
                    logger.warning(
                        "the store can't be reached, retrying for up to %.0f s: %s", self._seconds, error
                    )
                if time.monotonic() + pause > deadline:
                    raise
            abandoned.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise Abandoned
