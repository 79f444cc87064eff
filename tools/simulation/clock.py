"""Virtual time: a queue of what happens when."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Happening:
    """Something that will happen, unless it is cancelled."""

    do: Callable[[], None]
    cancelled: bool = False


class VirtualTime:
    """Seconds that pass only from one happening to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Happening]] = []  # no two have the same number, the second
        self._order = itertools.count()

    def __call__(self) -> float:
        """The time; so that it can stand in for `time.monotonic`."""
        return self.now

    def after(self, seconds: float, do: Callable[[], None]) -> Happening:
        """Lets `do` happen in so many seconds; what is due at the same time happens in the order it was asked for."""
        happening = Happening(do)
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), happening))
        return happening

    def advance(self) -> bool:
        """Moves on to the next moment at which something happens, and lets it happen; False if nothing is left."""
        while self._queue and self._queue[0][2].cancelled:
            heapq.heappop(self._queue)
        if not self._queue:
            return False
        self.now = self._queue[0][0]
        while self._queue and self._queue[0][0] <= self.now:
            _, _, happening = heapq.heappop(self._queue)
            if not happening.cancelled:
                happening.do()
        return True
