"""The snapshot of a directory that a report takes along: copied before training continues, uploaded later."""

import shutil
from pathlib import Path

from pbt_contract import keys
from pbt_contract.errors import KeyRefused, StateError
from pbt_contract.key_rules import check_key
from pbt_contract.limits import MAX_REPORT_BYTES
from pbt_contract.records import Report

FILES = "files"
"""The folder of a checkpoint that a script's own files are in."""

BYTES_BESIDE_NAME = 130  # in a record: size, checksum and the words around them


def has_files(report: Report) -> bool:
    """Whether a checkpoint took files along."""
    return any(file.name.startswith(f"{FILES}/") for file in report.files)


def files_below(source: Path) -> list[Path]:
    """All files below `source`, hidden ones too. Empty folders are left out.

    Raises:
        StateError: there is no such directory; or a file can't be kept: a symbolic link, a device, or a name
            that can't be part of a key.
    """
    if not source.is_dir():
        raise StateError(f"report(files={str(source)!r}): there is no such directory")
    found = sorted(source.rglob("*"))
    for path in found:
        _check(path, source)
    return [path for path in found if path.is_file()]


def snapshot(source: Path, spool: Path) -> None:
    """Copies all files below `source` to `spool`/files; raises as `files_below` does.

    Raises:
        StateError: there are so many that their names make too large a report.
    """
    found = files_below(source)
    size = sum(BYTES_BESIDE_NAME + len(path.relative_to(source).as_posix()) for path in found)
    if size > MAX_REPORT_BYTES * 3 // 4:
        told = f"report(files=...): the names of {len(found)} files are more than a report may hold"
        raise StateError(f"{told}; put them into fewer files, an archive say")
    for path in found:
        target = spool / FILES / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _check(path: Path, source: Path) -> None:
    name = path.relative_to(source).as_posix()
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        raise StateError(
            f"report(files=...): {name} is neither a file nor a directory; links are not followed"
        )
    try:
        check_key(f"{keys.checkpoint(0, 1, 0, '00000000')}{FILES}/{name}")
    except KeyRefused as error:
        raise StateError(f"report(files=...): {name} can't be stored: {error}") from error
