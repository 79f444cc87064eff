"""How much a pass may read before others have their turn, and what is left when that is spent."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from math import inf
from typing import Protocol, TypeVar

T = TypeVar("T")


class Meter(Protocol):
    """Counts what is read, whoever reads it."""

    num_reads: int


class Allowance:
    """Reads, bytes and seconds that one pass may spend; unlimited unless something else is said.

    Where a pass writes many records, each of them counts as a read.
    """

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
        self._meter: Meter | None = None

    def watch(self, meter: Meter) -> None:
        """From now on, whatever the meter counts was read: what else is said of reads isn't spent."""
        self._meter = meter
        self._reads += meter.num_reads

    def at_once(self, most: int, *, each: int = 1) -> int:
        """How many things may be done now, of `most` that take so many reads each.

        One at least, so that each pass gets on.
        """
        return int(max(1, min(most, self._left / each)))

    def among(self, things: Iterable[T]) -> Iterator[T]:
        """These one by one, until it is spent; the first in any case."""
        for number, thing in enumerate(things):
            if number and self.is_spent:
                return
            yield thing

    def spend(self, *, reads: int = 0, writes: int = 0, size: int = 0) -> None:
        """So many records were read, of so many bytes in all, or written."""
        self._reads -= writes + (reads if self._meter is None else 0)
        self._size -= size

    @property
    def _left(self) -> float:
        return self._reads - (0 if self._meter is None else self._meter.num_reads)

    @property
    def is_spent(self) -> bool:
        """Whether whatever is left is for the next pass."""
        return self._left <= 0 or self._size <= 0 or self._clock() >= self._until


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is left to do. A pass with a cursor decides nothing; the next one goes on from there.

    Attributes:
        births: how many are known by name only.
        reports: how many are known by name only.
        members: how many are still to be asked for the report that follows those known.
        names: whether there may be more names of records than are known.
        ends: how many pods have ended and are still to be accounted for.
        orders: how many births or looks that follow from what is decided are still to be made.
    """

    births: int = 0
    reports: int = 0
    members: int = 0
    names: int = 0
    ends: int = 0
    orders: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(astuple(self))
