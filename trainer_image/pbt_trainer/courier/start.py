"""Starts the courier's process, and says what it is to take part in."""

import secrets
import socket
import subprocess
import sys
from pathlib import Path

from pbt_contract.assignment import Assignment
from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.messages import Begin, Notice
from pbt_trainer.log import is_set_up, logger


def start_courier() -> tuple["subprocess.Popen[bytes]", Channel[Notice]]:
    """A fresh interpreter: no fork of a process that may hold a GPU, no second run of the script."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            # -P: a file of the script's folder must not stand in for a module of the standard library
            [sys.executable, "-P", "-m", "pbt_trainer.courier", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # The terminal's Ctrl-C is the trainer's to answer. No session of its own: Linux shares the CPU out among
            # sessions first (autogroup), and the low priority of uploads would mean nothing to the trainer.
            process_group=0,
        )
    return process, Channel(ours, Notice)


def beginning(assignment: Assignment, *, folder: Path, leads: bool, ranks: int) -> Begin:
    """The first message to it.

    Args:
        assignment: what to take part in.
        folder: for downloads and copies of files.
        leads: whether to claim and write; other ranks only read.
        ranks: how many there are.
    """
    return Begin(
        location=assignment.location,
        member=assignment.member,
        incarnation=assignment.incarnation,
        pod=assignment.pod,
        nonce=assignment.nonce or secrets.token_hex(8),
        folder=str(folder),
        leads=leads,
        ranks=ranks,
        watch=assignment.in_place,
        shares=assignment.shared_slots and ranks == 1,
        poll_seconds=assignment.poll_seconds,
        patience_seconds=assignment.store_patience_seconds,
        log_level=logger.getEffectiveLevel(),
        forwards_log=is_set_up(),
        started_anew=assignment.started_anew,
        bell=assignment.bell,
    )
