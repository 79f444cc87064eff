"""When a population began to be active and when it ended, as its status keeps it: the store holds no clock times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Active


@dataclass
class Times:
    """POSIX times.

    Attributes:
        start: since when it has been active; None while it is suspended.
        completion: when it ended; None while it hasn't.
    """

    start: float | None = None
    completion: float | None = None

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> "Times":
        """As the status says."""
        return cls(posix_of(status.get("startTime")), posix_of(status.get("completionTime")))

    def keep(self, done: PassResult, *, now: float) -> None:
        """Brings them up to date; a suspension starts the one anew, as that of a Job, an end only stops it."""
        if done.outcome is not None:
            self.completion = now if self.completion is None else self.completion
            return
        if self.start is not None and self.completion is not None:
            self.start = min(now, self.start + now - self.completion)
        self.completion = None
        if done.spec.suspend:
            self.start = None
        elif self.start is None:
            self.start = now

    def taken_up(self, *, retries: bool) -> "Times":
        """As they are where a population is taken up; those of one that failed begin again where it is left."""
        return Times() if retries and self.completion is not None else self

    def active(self, clock: float, *, now: float) -> Active:
        """The same by a monotonic clock, which begins anew with each operator."""

        def by_clock(time: float | None) -> float | None:
            return None if time is None else clock - max(0.0, now - time)

        return Active(by_clock(self.start), by_clock(self.completion))

    def seconds_to_live(self, ttl: float | None, *, now: float) -> float:
        """Until one that has ended is to be deleted."""
        return float("inf") if ttl is None or self.completion is None else self.completion + ttl - now

    def to_status(self) -> dict[str, str | None]:
        """As the status holds them."""
        found = {"startTime": self.start, "completionTime": self.completion}
        return {name: None if time is None else rfc3339(time) for name, time in found.items()}


@lru_cache(maxsize=1024)  # the times of a population change seldom, and each pass tells them
def rfc3339(time: float) -> str:
    """A POSIX time as the API writes it."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def posix_of(time: str | None) -> float | None:
    """The POSIX time of what the API wrote; None where it wrote none."""
    return None if time is None else datetime.fromisoformat(time).timestamp()


def seconds_since(since: float | None, now: float) -> float | None:
    """How long it has been so; None where it isn't."""
    return None if since is None else max(0.0, now - since)
