"""What can go wrong, as one tree, and the exit codes that say why a trainer left.

PbtError
├── UsageError          the training script and the manifest don't fit together
├── StateError          a tracked object holds something a checkpoint can't keep
├── RecordRefused       a record is malformed or not ours
│   ├── KeyRefused      a key leaves the population's location
│   └── NewerFormat     a newer version wrote it: nothing here is wrong but the version that reads
├── CorruptCheckpoint   size or checksum differ from the record
├── NotFound            nothing is stored under that key
└── StoreUnavailable    the store can't be reached or refuses us; worth a retry
    └── StoreRefused    it never will accept this: a missing bucket or right, no conditional writes
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a trainer leaves; every other non-zero code is a crash of the script."""

    DONE = 0
    UNCLAIMED = 81  # another process has the birth, or a successor was born: nothing is lost
    STORAGE = 82  # the store couldn't be reached for long: not a crash
    MISTAKE = 83  # the script and the manifest don't fit, or a state can't be kept: no retry can mend it
    ACCESS = (
        84  # the store refused: credentials are missing or wrong, or a right or the bucket is; not a crash
    )


class PbtError(Exception):
    """Everything that this package raises on purpose."""


class UsageError(PbtError):
    """The training script and the manifest don't fit together."""


UNREACHABLE, REFUSES = "the store can't be reached", "the store refuses"
RETRYING = ", retrying for up to "
"""By these words of a trainer's log `pbt run` knows that it waits for the store."""


class StateError(PbtError):
    """A tracked object holds something a checkpoint can't keep; the message names the path to it."""


class RecordRefused(PbtError):
    """A record is malformed or doesn't belong here."""


class KeyRefused(RecordRefused):
    """A key that would leave the population's location."""


class NewerFormat(RecordRefused):
    """A record of a format that only newer versions know; the message names both and what to upgrade."""


class CorruptCheckpoint(PbtError):
    """A file's size or checksum differs from what its record says."""


class NotFound(PbtError):
    """Nothing is stored under that key."""


class StoreUnavailable(PbtError):
    """The store can't be reached, or refuses us; worth a retry."""


class StoreRefused(StoreUnavailable):
    """The store will not accept this however often it is tried; the message says what to change."""
