"""Retries of a store: what fails is tried again, with growing pauses, for a limited time."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pbt_contract.errors import REFUSES, RETRYING, UNREACHABLE, StoreRefused, StoreUnavailable
from pbt_trainer.log import logger

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
REFUSED_SECONDS = 60.0
"""How long a refusal is tried again before training began: a Secret that is being written, rights that take a while."""

T = TypeVar("T")


class Abandoned(Exception):
    """The result isn't wanted any more."""


class Retry:
    """Repeats actions while the store can't be reached."""

    def __init__(self, seconds: float) -> None:
        """Gives up on an action that has failed for `seconds`."""
        self._seconds = seconds

    def at_start(self, action: Callable[[], T], *, refused_seconds: float = REFUSED_SECONDS) -> T:
        """Repeats `action`, for a minute only where the store refuses it: what is wrong then rarely mends itself.

        Args:
            action: may raise `StoreUnavailable`.
            refused_seconds: another time than a minute.

        Raises:
            StoreRefused: the store refused it for too long.
            StoreUnavailable: it couldn't be reached for too long.
        """
        return self._repeat(action, refused_seconds, threading.Event())

    def later(self, action: Callable[[], T], *, abandoned: threading.Event | None = None) -> T:
        """Repeats `action` even if it was refused: new credentials may be on their way.

        Args:
            action: may raise `StoreUnavailable`.
            abandoned: set when the result isn't wanted any more.

        Raises:
            Abandoned: it isn't.
            StoreUnavailable: the store couldn't be reached for too long.
        """
        return self._repeat(action, None, abandoned or threading.Event())

    def _repeat(
        self, action: Callable[[], T], refused_seconds: float | None, abandoned: threading.Event
    ) -> T:
        pause, since = FIRST_PAUSE_SECONDS, dict[bool, float]()  # refused or away, each has its time
        while not abandoned.is_set():
            try:
                return action()
            except StoreUnavailable as error:
                refused = refused_seconds is not None and isinstance(error, StoreRefused)
                patience = min(refused_seconds or 0.0, self._seconds) if refused else self._seconds
                if refused not in since:
                    since[refused] = time.monotonic()
                    what = REFUSES if refused else UNREACHABLE
                    logger.warning("%s%s%.0f s: %s", what, RETRYING, patience, error)
                if time.monotonic() + pause > since[refused] + patience:
                    raise
            abandoned.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise Abandoned
