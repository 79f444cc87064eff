"""When the courier looks for the next birth: often after a report, when a decision is likely, else seldom."""

QUICK_SECONDS = 0.25
QUICK_LOOKS = 40
"""At 0.25 s each they cover ten seconds after a report."""


class Pace:
    """Pauses between looks. Each report buys at most `QUICK_LOOKS` looks more than the slow pace has."""

    def __init__(self, slow_seconds: float) -> None:
        """Slow until the first report.

        Args:
            slow_seconds: the pause while nothing is expected; a shorter one than the quick one is always kept.
        """
        self._slow = slow_seconds
        self._quick = min(QUICK_SECONDS, slow_seconds)
        self._left = 0

    def reported(self) -> None:
        """A ready report was committed: a round may be decided any moment."""
        self._left = QUICK_LOOKS

    def pause(self) -> float:
        """Seconds until the next look."""
        if self._left == 0:
            return self._slow
        self._left -= 1
        return self._quick
