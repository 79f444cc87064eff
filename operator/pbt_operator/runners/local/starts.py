"""Whose process may start now: on a machine that is busy with starts, each further one makes all of them slower.

A start is imports, so it takes a core. As many as there are cores go on side by side; the others wait, and those that
began first train meanwhile.
"""

import time
from collections.abc import Callable, Iterator

from pbt_contract import keys
from pbt_contract.errors import NotFound, StoreUnavailable
from pbt_contract.keys import Life
from pbt_contract.stores import Store

JOINED_AFTER_SECONDS = 10.0
"""A process that has claimed nothing by then prepares at leisure, or never will: nobody waits for it any longer."""


class Starts:
    """The processes that wait for their start, and those that are starting."""

    def __init__(self, store: Store, *, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody waits yet.

        Args:
            store: the population's, where a process claims its birth once its imports are over.
            at_once: how many may be starting.
            clock: seconds, monotonic.
        """
        self._store, self._at_once, self._clock = store, at_once, clock
        self._waiting: dict[str, Life] = {}
        self._starting: dict[str, tuple[Life, float]] = {}

    def wait(self, name: str, life: Life) -> None:
        """The process of that name is to start, after those that wait already."""
        self._waiting[name] = life

    def drop(self, name: str) -> bool:
        """Forgets a process that is over, or isn't to start any more; returns whether it was still waiting."""
        self._starting.pop(name, None)
        return self._waiting.pop(name, None) is not None

    def due(self) -> Iterator[str]:
        """The names of those that are to be started now."""
        if not self._waiting:
            return
        late = self._clock() - JOINED_AFTER_SECONDS
        for name, (life, began) in [*self._starting.items()]:
            if began <= late or self._is_claimed(life):
                del self._starting[name]
        for name in [*self._waiting][: max(0, self._at_once - len(self._starting))]:
            self._starting[name] = self._waiting.pop(name), self._clock()
            yield name

    def _is_claimed(self, life: Life) -> bool:
        try:
            self._store.read(keys.claim(*life))
        except (NotFound, StoreUnavailable):
            return False
        return True
