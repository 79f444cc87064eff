"""How much a pass may read before others have their turn, and what is left when that is spent."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf


class Allowance:
    """Reads, bytes and seconds that one pass may spend on looking; unlimited unless something else is said."""

    def __init__(
        self,
        *,
        reads: float = inf,
        size: float = inf,
        seconds: float = inf,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Begins to count now.

        Args:
            reads: how many records.
            size: how many bytes of them.
            seconds: how long, by `clock`.
            clock: monotonic, in seconds.
        """
        self._reads, self._size = reads, size
        self._clock, self._until = clock, clock() + seconds

    def at_once(self, most: int) -> int:
        """How many records may be read now, of `most`; one at least, so that each pass gets on."""
        return int(max(1, min(most, self._reads)))

    def spend(self, *, reads: int, size: int = 0) -> None:
        """So many records were read, of so many bytes in all."""
        self._reads -= reads
        self._size -= size

    @property
    def is_spent(self) -> bool:
        """Whether whatever is left is for the next pass."""
        return self._reads <= 0 or self._size <= 0 or self._clock() >= self._until


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is left to read. A pass with a cursor decides nothing; the next one reads on from there.

    Attributes:
        births: how many are known by name only.
        reports: how many are known by name only.
        members: how many are still to be asked for the report that follows those known.
    """

    births: int = 0
    reports: int = 0
    members: int = 0
