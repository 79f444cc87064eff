"""Timers for conditions that must hold for a while. In memory only: a restart resets them, which is safe."""

from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from enum import Enum, auto


class Timed(Enum):
    """The conditions that are timed."""

    PENDING = auto()  # a pod doesn't run
    PROGRESS = auto()  # a process hasn't made a record
    TAKEOVER = auto()  # a process hasn't swapped to its member's next birth
    YIELD = auto()  # a process hasn't gone on as the member that it makes room for
    THROUGH = auto()  # a trainer that has done all its steps hasn't ended
    QUORUM = auto()  # a round has its quorum and isn't decided


@dataclass
class Timers:
    """Since when each condition has held, of each pod or round. Every station has its own."""

    _since: dict[tuple[Timed, Hashable], tuple[Hashable, float]] = field(default_factory=dict)

    def start(self, what: Timed, of: Hashable, now: float, *, at: Hashable = None) -> None:
        """Starts a timer unless it runs; where `at` has changed since, it starts again."""
        known = self._since.get((what, of))
        if known is None or known[0] != at:
            self._since[what, of] = (at, now)

    def elapsed(self, what: Timed, of: Hashable, now: float) -> float:
        """Seconds since it was started; 0 if it doesn't run."""
        known = self._since.get((what, of))
        return 0.0 if known is None else now - known[1]

    def stop(self, what: Timed, of: Hashable) -> None:
        """The condition doesn't hold any more."""
        self._since.pop((what, of), None)

    def keep(self, of: Container[Hashable]) -> None:
        """Stops all timers but those of these pods or rounds."""
        self._since = {key: value for key, value in self._since.items() if key[1] in of}
