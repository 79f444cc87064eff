"""The folder of a run on this machine, with its lock and logs: plain files, in the folder that was opened.

A symbolic link there would make the run write, as whoever started it, where somebody else wants it to.
"""

import errno
import os
from pathlib import Path

from pbt_contract.errors import PbtError, StoreRefused


class FolderLost(PbtError):
    """The folder of a run isn't where it was any more."""


def open_plain(path: Path, flags: int) -> int:
    """A descriptor of a file that is no symbolic link.

    Raises:
        StoreRefused: it is one.
        OSError: it can't be opened for another reason.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StoreRefused(f"{path} is a symbolic link, which is not followed; remove it") from error


def open_log(path: Path, flags: int) -> int:
    """The same for a log, whose folder may be no symbolic link either."""
    if path.parent.is_symlink():
        raise StoreRefused(f"{path.parent} is a symbolic link, which is not followed; remove it")
    return open_plain(path, flags)


def check_there(path: Path, descriptor: int) -> None:
    """Makes sure that a file is still the one that was opened.

    Raises:
        FolderLost: its folder was deleted or moved, and perhaps another one is there.
    """
    known = os.fstat(descriptor)
    try:
        found = path.lstat()
    except OSError:
        found = None
    if found is None or (found.st_dev, found.st_ino) != (known.st_dev, known.st_ino):
        raise FolderLost(
            f"{path.parent} was deleted or moved while the population ran; the same command continues it once the "
            "folder is back, and begins it again where there is none"
        )
