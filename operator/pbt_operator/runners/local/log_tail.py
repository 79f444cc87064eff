"""The end of a trainer's log: its last words, and what it says of a store that doesn't take its records."""

import os
import re
from pathlib import Path

from pbt_contract.errors import REFUSES, RETRYING, UNREACHABLE
from pbt_operator.runners.local.run_folder import open_log

LOG_TAIL_BYTES = 2000
_WAITS = re.compile(rf"(?:{UNREACHABLE}|{REFUSES}){RETRYING}\d+ s: .*")


def tail(log: Path, begins: int) -> str:
    """The last lines that a process wrote.

    Args:
        log: which it shares with those before it.
        begins: where its own lines begin, in bytes.
    """
    with os.fdopen(open_log(log, os.O_RDONLY), "rb") as lines:
        size = lines.seek(0, os.SEEK_END)
        lines.seek(max(begins, size - LOG_TAIL_BYTES))
        return lines.read().decode(errors="replace")


def end_of(words: Path, log: Path, begins: int) -> str:
    """How a process says that it failed; else the last lines that it wrote.

    Whoever started it for us, as torchrun does, may have written lines of its own after the error.

    Args:
        words: the file for what it says, which goes.
        log: see `tail`.
        begins: see there.
    """
    try:
        with os.fdopen(open_log(words, os.O_RDONLY | os.O_NONBLOCK), "rb") as said:
            found = said.read(LOG_TAIL_BYTES * 2).decode(errors="replace")
        words.unlink()
    except OSError:
        found = ""
    return found or tail(log, begins)


def store_trouble(log: Path, begins: int) -> str:
    """In which words a process said lately that it waits for the store; empty where it didn't."""
    try:
        found = _WAITS.findall(tail(log, begins))
    except OSError:
        return ""  # the folder is gone: whoever looks for that says so
    return found[-1] if found else ""


def disk_trouble(folder: Path) -> str:
    """That the disk of a folder is full; empty where it isn't, or where nobody knows."""
    try:
        is_full = os.statvfs(folder).f_bavail == 0
    except OSError:
        return ""
    return f"the disk of {folder} is full: free some space" if is_full else ""
