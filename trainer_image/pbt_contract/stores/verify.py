"""Checks of what goes into a store and comes out of it: sizes of records, sizes and checksums of files."""

import hashlib
import os
from pathlib import Path

from pbt_contract.errors import CorruptCheckpoint, RecordRefused
from pbt_contract.key_rules import check_key
from pbt_contract.limits import most_bytes
from pbt_contract.records import File
from pbt_contract.text import quoted


def verify(path: Path, file: File, *, key: str) -> None:
    """Compares size and checksum.

    Raises:
        CorruptCheckpoint: they differ.
    """
    with path.open("rb") as content:
        verify_size(os.fstat(content.fileno()).st_size, file, key=key)
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    verify_digest(digest, file, key=key)


def verify_size(size: int, file: File, *, key: str) -> None:
    """Compares a size with the record's.

    Raises:
        CorruptCheckpoint: they differ.
    """
    if size != file.size:
        raise CorruptCheckpoint(f"{key} has {size} bytes, its record says {file.size}")


def verify_digest(digest: str, file: File, *, key: str) -> None:
    """Compares a SHA-256 with the record's.

    Raises:
        CorruptCheckpoint: they differ.
    """
    if digest != file.sha256:
        raise CorruptCheckpoint(f"{key} has SHA-256 {digest}, its record says {quoted(file.sha256)}")


def destination(folder: Path, file: File) -> Path:
    """Where a download of `file` goes.

    Raises:
        KeyRefused: its name would leave `folder`.
    """
    checkpoint = "checkpoint/"  # below it a name may begin with a dot
    return folder / check_key(checkpoint + file.name).removeprefix(checkpoint)


def verify_source(path: Path, size: int, *, key: str) -> None:
    """Checks that a file holds the `size` bytes that are to be uploaded.

    Raises:
        CorruptCheckpoint: it is shorter.
    """
    held = path.stat().st_size
    if held < size:
        raise CorruptCheckpoint(f"{key}: {path} has {held} bytes, {size} were to be uploaded")


def verify_record_size(size: int, *, key: str) -> None:
    """Checks that a record isn't larger than readers accept.

    Raises:
        RecordRefused: it is.
    """
    if size > most_bytes(key):
        raise RecordRefused(f"{key}: {size} bytes, this record has at most {most_bytes(key)}")
