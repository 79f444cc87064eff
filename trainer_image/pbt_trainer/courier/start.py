"""Starts the courier's process."""

import socket
import subprocess
import sys

from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.messages import Notice


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
