"""When the courier looks for the next birth: often after a report, when a decision is likely; otherwise seldom."""

QUICK_SECONDS = 0.25
QUICK_LOOKS = 40
"""At 0.25 s each they cover ten seconds after a report."""


class Pace:
    """The time of the next look. Each report adds at most `QUICK_LOOKS` looks to those of the slow pace.

    A report brings the next look nearer and never puts it off, so a trainer that reports without a pause also learns of
    its next birth.
    """

    def __init__(self, slow_seconds: float, now: float) -> None:
        """Slow until the first report.

        Args:
            slow_seconds: the pause while nothing is expected; a shorter one than the quick one is always kept.
            now: seconds on a clock that never goes back.
        """
        self._slow = slow_seconds
        self._quick = min(QUICK_SECONDS, slow_seconds)
        self._left = 0
        self._next = now + slow_seconds

    def reported(self, now: float) -> None:
        """A ready report was committed: a round may be decided any moment, though not at once."""
        self._left = QUICK_LOOKS
        self._next = min(self._next, now + self._quick)

    def wait(self, now: float) -> float:
        """Seconds until the next look; 0 when it is due."""
        return max(0.0, self._next - now)

    def looked(self, now: float) -> None:
        """A look was made."""
        self._left = max(0, self._left - 1)
        self._next = now + (self._quick if self._left else self._slow)
