"""The messages between a trainer and its courier: orders one way, notices the other. `channel` carries them."""

import logging

import msgspec

from pbt_contract.records import Birth, Report


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The name of its class tells which one it is."""


# from the trainer


class Begin(Message, frozen=True, kw_only=True):
    """The first message: what to take part in.

    Attributes:
        location: URL of the population's location.
        member: whose birth to claim.
        incarnation: which of its births.
        pod: unique for each pod; claims carry it.
        nonce: unique to the process; tells its claim from any other.
        folder: for downloads and copies of files.
        leads: false for the other ranks, which only read.
        ranks: how many processes train the member together; the claim says it.
        watch: look for the member's next birth.
        shares: look for a request to continue with another birth; the claim says so.
        poll_seconds: between two looks while nothing is expected.
        patience_seconds: how long a store that can't be reached is tried.
        log_level: of the trainer's logger `pbt`.
        forwards_log: send records of the log to the trainer, whose script has set up logging.
        started_anew: why an earlier image of this process couldn't continue with the birth.
        bell: the socket to be rung after the claim and each record that was committed.
    """

    location: str
    member: int
    incarnation: int
    pod: str
    nonce: str
    folder: str
    leads: bool
    watch: bool
    shares: bool
    poll_seconds: float
    patience_seconds: float
    ranks: int = 1
    log_level: int = logging.INFO
    forwards_log: bool = False
    started_anew: str | None = None
    bell: str | None = None


class Upload(Message, frozen=True, kw_only=True):
    """Stores a checkpoint and commits it.

    Attributes:
        report: complete but for its checkpoint and files.
        sizes: bytes of each memory file, by its name in the checkpoint; the descriptors come in this order.
        spool: a folder with further files, which the courier removes afterwards.
    """

    report: Report
    sizes: dict[str, int]
    spool: str | None


class Mark(Message, frozen=True, kw_only=True):
    """Commits one more record of the checkpoint that was committed last.

    Attributes:
        report: complete but for its checkpoint and files.
    """

    report: Report


class Await(Message, frozen=True):
    """The trainer waits until it may begin the steps of this round."""

    round: int


class Look(Message, frozen=True):
    """Asks whether there is a successor already."""


class Take(Message, frozen=True, kw_only=True):
    """Claims the takeover that was offered, and drops what the former life had still to store.

    Attributes:
        member: whose birth.
        incarnation: which of its births.
        why: what keeps the running loop from continuing; None where it does.
    """

    member: int
    incarnation: int
    why: str | None = None


class Restored(Message, frozen=True):
    """Ends the use of the checkpoint that was fetched."""


class Keep(Message, frozen=True):
    """Leaves the downloads where they are: the next image of this process uses them."""


Order = Begin | Upload | Mark | Await | Look | Take | Restored | Keep

# from the courier


class Began(Message, frozen=True):
    """The birth is claimed by this process."""

    birth: Birth


class Unclaimed(Message, frozen=True):
    """Another process has the birth, or has reported as if it had."""

    reason: str


class Fetched(Message, frozen=True):
    """The checkpoint to start from, verified; None for both where the birth has none."""

    report: Report | None
    folder: str | None


class Uploaded(Message, frozen=True):
    """The checkpoint of this record is committed."""

    record: str


class Opened(Message, frozen=True):
    """How far the trainer may go: up to a round, or without a bound.

    Attributes:
        up_to: the round; None for no bound.
        why: what makes it so though there is a gate, for people.
    """

    up_to: int | None
    why: str | None = None


class Offer(Message, frozen=True):
    """A takeover in place: the next birth, or another member's; its checkpoint, if it has one, is here and verified."""

    birth: Birth
    report: Report | None
    folder: str | None


class Replaced(Message, frozen=True):
    """Another process was or will be started for this member."""

    reason: str


class Looked(Message, frozen=True):
    """The answer to `Look`: none, or none that is known of while the store can't be reached."""

    successor: Birth | None


class Taken(Message, frozen=True):
    """The answer to `Take`."""

    won: bool


class Failed(Message, frozen=True):
    """The end. `error` names a class of `pbt_contract.errors`; empty for a fault of the courier's own."""

    error: str
    message: str


class Logged(Message, frozen=True, kw_only=True):
    """A record of the courier's log, for the trainer's handlers; `level` as in `logging`."""

    level: int
    message: str


Notice = Began | Unclaimed | Fetched | Uploaded | Opened | Offer | Replaced | Looked | Taken | Failed | Logged
