"""SIGTERM: noted when it comes, acted upon at the next step boundary."""

import math
import os
import signal
import threading
import time
from types import FrameType


class Termination:
    """Whether the process was asked to leave, and how long that may take.

    Attributes:
        requested: SIGTERM came.
        deadline: seconds of the monotonic clock; infinite until then.
    """

    def __init__(self, grace_seconds: float) -> None:
        """Listens after `install`.

        Args:
            grace_seconds: from SIGTERM to the deadline.
        """
        self.requested = False
        self.deadline = math.inf
        self._grace_seconds = grace_seconds
        self._previous: signal._HANDLER = None
        self._installed = self._listens = False
        self._handled: list[FrameType | None] = []  # where signals that are being handled came

    def install(self) -> None:
        """Listens, in the main thread: Python allows no other. A former handler is called too."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = signal.signal(signal.SIGTERM, self._handle)
        self._installed = self._listens = True

    def listen(self) -> None:
        """Goes on listening where the script or its framework has installed a handler since, which is called too."""
        if not self._listens or threading.current_thread() is not threading.main_thread():
            return
        found = signal.getsignal(signal.SIGTERM)
        if callable(found) and found != self._handle:
            self._previous = found
            signal.signal(signal.SIGTERM, self._handle)

    def uninstall(self) -> None:
        """Puts the previous handler back, unless another one was installed since.

        In another thread than the main one, where Python allows that no more than `install`, the next signal does it.
        """
        if not self._installed:
            return
        self._listens = False
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGTERM) == self._handle:
                signal.signal(signal.SIGTERM, signal.SIG_DFL if self._previous is None else self._previous)
            self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._listens:
            self.uninstall()
            os.kill(os.getpid(), number)
            return
        if not self.requested:
            self.requested = True
            self.deadline = time.monotonic() + self._grace_seconds
        # It may call this one in turn, with the same frame; another signal meanwhile comes in another one.
        if callable(self._previous) and frame not in self._handled:
            self._handled.append(frame)
            try:
                self._previous(number, frame)
            finally:
                self._handled.pop()
