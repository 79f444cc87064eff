"""What succession decides between two steps."""

from enum import IntEnum


class Verdict(IntEnum):
    """What is to be done now. The numbers travel between ranks."""

    GO = 0
    SWAP = 1  # a takeover in place, already claimed
    TERMINATE = 2  # SIGTERM
    REPLACED = 3  # another process has the member
    PROPOSE = 4  # a takeover in place of several ranks, if every one of them can
    WAIT = 5  # the gate is shut: the ranks ask each other again
