"""When the store is looked at: a listing every poll, and between two of them a look at the few reports a round lacks.

A report that is all that a round waits for should not wait for a poll. Looking costs a read for each of them, so it is
bounded: it begins only when one of them has come, lasts a poll at the longest, and there are `FEW` at most. A round
therefore costs FEW x (FEW + 1) / 2 x poll / GLANCE_SECONDS reads at the most, 360 at the default poll of 5 seconds.
"""

from collections.abc import Set

GLANCE_SECONDS = 0.5


class Pace:
    """Of one population."""

    def __init__(self, poll_seconds: float) -> None:
        """Lists at once."""
        self._poll = poll_seconds
        self._listing_at = self._glance_at = float("-inf")
        self._glances_until = float("-inf")
        self._expected: frozenset[int] = frozenset()

    def lists(self, now: float) -> bool:
        """Whether it is time for a listing."""
        return now >= self._listing_at

    def glances(self, now: float) -> bool:
        """Whether it is time to look for those that are expected."""
        return self._glance_at <= now <= self._glances_until

    def looked(self, now: float, *, listed: bool, glanced: bool, expected: Set[int]) -> None:
        """A pass was made, after which the reports of these members are all that a round lacks."""
        if listed:
            self._listing_at = now + self._poll
        if listed or glanced:
            self._glance_at = now + GLANCE_SECONDS
        if expected and (not self._expected or self._expected - expected):  # one came: the others may be next
            self._glances_until = now + self._poll
        elif not expected:
            self._glances_until = float("-inf")
        self._expected = frozenset(expected)

    def seconds(self, now: float) -> float:
        """Until the next look."""
        following = self._listing_at
        if self._expected and self._glance_at <= self._glances_until:
            following = min(following, self._glance_at)
        return max(0.0, following - now)
