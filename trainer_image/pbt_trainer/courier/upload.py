"""Stores the files of one checkpoint and commits its record, at the lowest priority that the system has."""

import hashlib
import mmap
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.records import File, Report
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.retry import Retry

_LOWEST_PRIORITY = 19


class Part(NamedTuple):
    """A file of a checkpoint: its name there, and the first `size` bytes of what lies at `path`."""

    name: str
    path: Path
    size: int


def store_checkpoint(
    report: Report,
    parts: Iterable[Part],
    incarnation: Incarnation,
    *,
    retry: Retry,
    abandoned: threading.Event,
) -> Report:
    """Uploads one part after the other, then writes the record, which is returned.

    Args:
        report: complete but for its checkpoint and files.
        parts: with unique names.
        incarnation: whose checkpoint it is.
        retry: repeats what fails while the store can't be reached.
        abandoned: set when the checkpoint isn't wanted any more.

    Raises:
        Abandoned: it isn't.
        ReportedElsewhere: another process has written the record.
        StoreUnavailable: the store couldn't be reached for too long.
    """
    _lower_priority()
    prefix = keys.checkpoint(report.member, report.incarnation, report.step, os.urandom(4).hex())
    files = []
    for name, path, size in parts:
        send = partial(incarnation.store.upload, prefix + name, path, size=size)
        with ThreadPoolExecutor(1) as beside:
            digest = beside.submit(checksum, path, size)
            retry.later(send, abandoned=abandoned)
        files.append(File(name=name, size=size, sha256=digest.result()))
    complete = replace(report, checkpoint=prefix, files=files)
    retry.later(lambda: incarnation.commit(complete), abandoned=abandoned)
    return complete


def in_memory(sizes: Mapping[str, int], descriptors: Iterable[int]) -> list[Part]:
    """The memory files that a trainer handed over: their names and sizes, in the order of their descriptors."""
    pairs = zip(sizes.items(), descriptors, strict=True)
    return [Part(name, Path(f"/proc/self/fd/{descriptor}"), size) for (name, size), descriptor in pairs]


def in_folder(folder: str | None) -> list[Part]:
    """All files below a folder, if there is one."""
    if folder is None:
        return []
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return [Part(path.relative_to(folder).as_posix(), path, path.stat().st_size) for path in files]


def checksum(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file, in hexadecimal."""
    if size == 0:
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def _lower_priority() -> None:
    """Leaves the CPU to training: this thread, and those that it starts, get only what is idle."""
    with suppress(OSError, AttributeError):  # no Linux: the process has one priority
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
