"""What one pass of a Population may read before the others have their turn, and what is said of one that reads on."""

from collections.abc import Callable, Iterator

from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.runners.kubernetes.conditions import Condition

READS, BYTES, SECONDS = 950, 64 * 2**20, 10.0
"""A thousand reports are the round of a large population; an object store answers so many in a few seconds. What each
station of a pass does in any case comes on top of that."""

TOLD_AFTER_SECONDS = 60.0


class PassLimits:
    """Of one Population."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Takes a monotonic clock in seconds."""
        self._clock = clock
        self._reading_since: float | None = None

    def allowance(self) -> Allowance:
        """Of the pass that begins now."""
        return Allowance(reads=READS, size=BYTES, seconds=SECONDS, clock=self._clock)

    def storage(
        self, location: str, left: Cursor | None, *, overrun: int | None = None, held: int | None = None
    ) -> Iterator[Condition]:
        """The condition `StorageReady` after a pass that reached the store; nothing if it stays as it is.

        Args:
            location: its URL.
            left: what the pass has left to read.
            overrun: how many names of reports its listing had when it was broken off.
            held: what the reports of undecided rounds take, in kilobytes, where that is too much.
        """
        if left is None:
            self._reading_since = None
        elif self._reading_since is None:
            self._reading_since = self._clock()
        if overrun is not None:
            told = f"there are {overrun} names of reports or more, which members can't have made"
            remedy = "each member's next report is asked for by its key; remove what doesn't belong there"
            yield Condition("StorageReady", "True", "TooManyNames", f"{location}: {told}; {remedy}")
        elif held is not None:
            told = f"{held} kB of reports of rounds that are not decided are known"
            remedy = "of the others only what the next round lacks is read; do trainers wait at their gates?"
            yield Condition("StorageReady", "True", "TooManyRecords", f"{location}: {told}; {remedy}")
        elif left is None:
            yield Condition("StorageReady", "True", "Ready", location)
        elif self._reading_since is not None and self._clock() - self._reading_since > TOLD_AFTER_SECONDS:
            told = f"{left.total} or more records are left, and a pass takes {READS} or {BYTES >> 20} MiB"
            yield Condition(
                "StorageReady", "True", "Reading", f"{location}: {told}; nothing is decided before"
            )
