"""What the time of a process goes to, as its records say it: starting, training, waiting."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from msgspec import UNSET, UnsetType

_START_TIME = 19  # of the fields of /proc/self/stat that follow the command's name


class Spent(NamedTuple):
    """Seconds since the record before.

    Attributes:
        waited: at gates; absent where it didn't.
        starting: of the first record of a life; absent in later ones.
    """

    waited: float | UnsetType
    starting: float | UnsetType


class Clock:
    """Tells training from what comes before it and between; by a monotonic clock, in seconds.

    Waiting is neither starting nor training.
    """

    def __init__(self, idle_since: float, *, waited: float = 0.0) -> None:
        """Training hasn't begun yet.

        Args:
            idle_since: when the process started, or when an earlier image of it did its last step.
            waited: since then, and not recorded.
        """
        self._since = self._step_end = idle_since
        self._idle_since: float | None = idle_since
        self._waited = waited
        self._starting: float | UnsetType = UNSET

    @property
    def training(self) -> float:
        """Seconds of training since `train` was called last."""
        return time.monotonic() - self._since

    @property
    def idle_since(self) -> float:
        """When the last step ended, moved by what was waited since."""
        return self._step_end

    @property
    def waited(self) -> float:
        """Seconds at gates that no record has told yet."""
        return self._waited

    def train(self) -> None:
        """Training goes on here; what the process did before isn't training."""
        self._since = time.monotonic()
        if self._idle_since is not None:
            self._starting = max(0.0, self._since - self._idle_since)
            self._idle_since = None

    def end_step(self) -> None:
        """A step was done, and reported if it was due."""
        if self._idle_since is None:
            self._step_end = time.monotonic()

    def wait(self, seconds: float) -> None:
        """So long the process has waited at a gate."""
        self._waited += seconds
        self._since += seconds
        self._step_end += seconds
        if self._idle_since is not None:
            self._idle_since += seconds

    def begin(self) -> None:
        """A new life begins in this process. It has been starting since the last step of the one before."""
        self._idle_since, self._starting = self._step_end, UNSET

    def take(self) -> Spent:
        """What the next record says."""
        spent = Spent(waited=self._waited or UNSET, starting=self._starting)
        self._waited, self._starting = 0.0, UNSET
        return spent


def process_start() -> float:
    """When this process began, in seconds of the monotonic clock; now, where the system doesn't tell."""
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        since_boot = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot
    except (OSError, AttributeError, LookupError, ValueError):
        return now
    return now - max(0.0, age) if since_boot else now
