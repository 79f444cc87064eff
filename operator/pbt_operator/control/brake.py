"""Slows down members whose processes end again and again though nobody is to blame, so that no loop costs a cluster."""

from collections.abc import Callable
from dataclasses import dataclass

from pbt_operator.core.blame import LONGEST_BACKOFF_SECONDS, backoff_seconds

APART_SECONDS = 2 * LONGEST_BACKOFF_SECONDS  # ends this far apart are no loop
WORTH_A_WARNING = 3


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a member waits before its next start.

    Attributes:
        ends: how many ends there were in a row, without a record, each soon after the one before.
        seconds: none after the first, then 1 s, doubled each time, a minute at most.
    """

    ends: int

    @property
    def seconds(self) -> float:
        """The wait."""
        return backoff_seconds(self.ends)

    @property
    def is_worth_a_warning(self) -> bool:
        """Whether it looks like a loop."""
        return self.ends >= WORTH_A_WARNING


class Brake:
    """Counts blameless ends of members. In memory only: a restart begins again, which is safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Knows of none yet; `clock` is monotonic, in seconds."""
        self._clock = clock
        self._ends: dict[int, tuple[int, float]] = {}  # how many, and when the newest pause was over

    def pause(self, member: int) -> Pause:
        """Its process has ended, without a record and without blame."""
        count, over = self._ends.get(member, (0, float("-inf")))
        now = self._clock()
        pause = Pause(1 if now - over > APART_SECONDS else count + 1)
        self._ends[member] = (pause.ends, now + pause.seconds)
        return pause

    def release(self, member: int) -> None:
        """It has made a record, or its end had a culprit."""
        self._ends.pop(member, None)
