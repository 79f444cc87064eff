"""A clock that is an hour slow as long as the file /tmp/slow is there, for every Python of a container.

Shifted are `time.time`, `time.time_ns`, `datetime.now` and `datetime.utcnow`, by which requests to a store are signed.
It counts where PYTHONPATH names this folder.
"""

import datetime as dt
import time
from pathlib import Path

HOUR = 3600


def offset():
    """In seconds."""
    return -HOUR if Path("/tmp/slow").exists() else 0


class Shifted(dt.datetime):
    """A moment, whose present is the shifted clock's."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(dt.UTC).replace(tzinfo=None)


true_time, true_nanoseconds = time.time, time.time_ns
time.time = lambda: true_time() + offset()
time.time_ns = lambda: true_nanoseconds() + offset() * 10**9
dt.datetime = Shifted
