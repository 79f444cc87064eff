"""Since when something has been so. Kept in memory only: after a restart the waits begin anew, and nothing is lost."""

from collections.abc import Container
from dataclasses import dataclass, field


@dataclass
class Timers:
    """Since when something has been so; lost at a restart, and then only waited for again."""

    since: dict[tuple[str, str | int], tuple[int, float]] = field(default_factory=dict)

    def seconds(self, what: str, who: str | int, now: float, *, at: int = 0) -> float:
        """How long `what` has been true of `who`; begins to count when first asked, and again when `at` changes."""
        known = self.since.get((what, who))
        if known is None or known[0] != at:
            known = self.since[what, who] = (at, now)
        return now - known[1]

    def over(self, what: str, who: str | int) -> None:
        """`what` is no longer true of `who`."""
        self.since.pop((what, who), None)

    def keep(self, who: Container[str | int]) -> None:
        """Forgets all waits but those of `who`."""
        self.since = {key: value for key, value in self.since.items() if key[1] in who}
