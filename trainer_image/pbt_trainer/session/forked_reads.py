"""Which names forked processes have read: they keep the values of their time, and tell through shared memory only."""

import mmap
import os
import weakref
from collections.abc import Iterable
from typing import Self


class ForkedReads:
    """One flag for each name, in memory that forked processes share.

    Attributes:
        here: whether this process is a forked one.
    """

    def __init__(self, flags: dict[str, int], memory: "mmap.mmap | bytearray") -> None:
        """Use `watch`."""
        self.here = False
        self._places, self._memory = flags, memory

    @classmethod
    def watch(cls, names: Iterable[str]) -> Self:
        """Notices forks from now on."""
        places = {name: place for place, name in enumerate(names)}
        reads = cls(places, mmap.mmap(-1, max(1, len(places))))
        known = weakref.ref(reads)

        def in_child() -> None:
            if (found := known()) is not None:
                found.here = True

        os.register_at_fork(after_in_child=in_child)
        return reads

    @classmethod
    def none(cls) -> Self:
        """Notices nothing."""
        return cls({}, bytearray())

    def note(self, names: Iterable[str]) -> None:
        """This process, a forked one, has read these."""
        for name in names:
            if name in self._places:
                self._memory[self._places[name]] = 1

    @property
    def names(self) -> set[str]:
        """What forked processes have read."""
        return {name for name, place in self._places.items() if self._memory[place]}
