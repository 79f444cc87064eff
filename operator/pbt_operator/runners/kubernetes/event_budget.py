"""How many Events and log lines one Population may have: a few at once, and then so many as time goes by."""

from collections.abc import Hashable
from datetime import datetime

BURST, SECONDS_APART = 100, 1.0
WARNING_BURST, WARNING_SECONDS_APART = 20, 60.0
"""Warnings are what trainers can cause without end: a note in each report, say, or a record that is refused."""


class EventBudget:
    """Of all Populations; each reason of each has one of its own, so that none hides another."""

    def __init__(self) -> None:
        """Nothing is spent."""
        self._spent: dict[
            Hashable, tuple[float, datetime]
        ] = {}  # how many were, of those that time hasn't given back

    def take(self, of: Hashable, *, warning: bool, now: datetime) -> bool:
        """Whether one more may be told now; then it is spent.

        Args:
            of: what has the budget.
            warning: whether it is a warning.
            now: the time.
        """
        burst, apart = (WARNING_BURST, WARNING_SECONDS_APART) if warning else (BURST, SECONDS_APART)
        spent, since = self._spent.get(of, (0.0, now))
        left = max(0.0, spent - (now - since).total_seconds() / apart)
        may = left + 1 <= burst
        self._spent[of] = (left + may, now)
        return may

    def forget_before(self, time: datetime) -> None:
        """Drops what nobody has asked for since then."""
        self._spent = {of: spent for of, spent in self._spent.items() if spent[1] >= time}
