"""A store in a local folder: each key is a file below it, and only one writer can link a record to its name.

Files on their way in lie beside their target as `tmp~...`, a name that no key can have, so that no reader
ever sees half a file. Several processes may use one folder at once.
"""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Self, cast
from urllib.parse import SplitResult, unquote_to_bytes
from uuid import uuid4

from pbt_contract import keys
from pbt_contract.errors import (
    CorruptCheckpoint,
    KeyRefused,
    NotFound,
    StoreRefused,
    StoreUnavailable,
)
from pbt_contract.key_rules import check_key, check_prefix, is_key
from pbt_contract.limits import most_bytes
from pbt_contract.records import File
from pbt_contract.stores.verify import verify, verify_record_size, verify_source

_TEMPORARY = "tmp~"
_ATTEMPTS = 10

_IN_THE_WAY = "something else is in the way: choose another folder"
_REFUSED = {
    errno.EACCES: "give this user the right to read and write there",
    errno.EPERM: "give this user the right to read and write there",
    errno.EROFS: "choose a folder on a writable file system",
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.ENAMETOOLONG: "choose a folder with a shorter path",
}
_FULL = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}


class FolderStore:
    """Keys as paths below one folder, which is made when the first record is written."""

    def __init__(self, root: Path) -> None:
        """Opens nothing yet.

        Args:
            root: the folder; symbolic links on the way to it are followed at the first use.
        """
        self._given = root.absolute()

    @classmethod
    def at(cls, parts: SplitResult) -> Self | None:
        """Opens `file:///PATH`; None for another machine's file or no path."""
        path = os.fsdecode(unquote_to_bytes(parts.path))
        return cls(Path(path)) if path and parts.netloc in {"", "localhost"} else None

    @property
    def url(self) -> str:
        """The folder as a file URL."""
        return self._root.as_uri()

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        verify_record_size(len(data), key=check_key(key))
        target = self._path(key)
        for _ in range(_ATTEMPTS):
            with _store_errors(target), self._incoming(target) as file:
                file.write(data)
                _flush(file)
                if self._link(Path(file.name), target):
                    return data
            with suppress(NotFound):  # deleted since: write it again
                return self.read(key)
        raise StoreRefused(f"{target}: {_IN_THE_WAY}")

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        path = self._path(key)
        with _store_errors(path), _found(path), _opened(path) as file:
            verify_record_size(os.fstat(file.fileno()).st_size, key=key)
            return file.read(most_bytes(key))

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """See `Store.names`. What no key can name is left out, and so is all but plain files and folders."""
        return self._walk(check_prefix(prefix), start_after)

    def folders(self, beginning: str) -> list[str]:
        """See `Store.folders`."""
        found = (key.removesuffix("/") for key in self._entries("") if key.endswith("/"))
        return [name for name in found if name.startswith(beginning)]

    def upload(self, key: str, path: Path, *, size: int) -> None:
        """See `Store.upload`."""
        target = self._path(key)
        verify_source(path, size, key=key)
        with path.open("rb") as source, _store_errors(target), self._incoming(target) as file:
            sent = 0
            while sent < size:
                count = os.sendfile(file.fileno(), source.fileno(), sent, min(size - sent, 2**30))
                if count == 0:
                    raise CorruptCheckpoint(f"{key}: {path} got shorter during its upload")
                sent += count
            _flush(file)
            Path(file.name).replace(target)

    def fetch(self, key: str, file: File, folder: Path) -> Path:  # noqa: ARG002 - it is here already
        """See `Store.fetch`: the store's own file, to be read and never changed."""
        path = self._path(key)
        with _store_errors(path), _found(path):
            _opened(path).close()
            verify(path, file, key=key)
        return path

    def delete(self, doomed: Iterable[str]) -> None:
        """See `Store.delete`. Folders that this leaves empty go as well."""
        left: dict[Path, None] = {}
        for key in doomed:
            path = self._path(key)
            with (
                _store_errors(path),
                suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            ):
                path.unlink()
            left[path.parent] = None
        for folder in left:
            self._prune(folder)

    def abandon_uploads(self, prefix: str) -> None:
        """See `Store.abandon_uploads`."""
        top = self._path(check_prefix(prefix).removesuffix("/")) if prefix else self._root
        for folder, _, files in os.walk(top, topdown=False):
            for name in files:
                if name.startswith(_TEMPORARY):
                    path = Path(folder, name)
                    with _store_errors(path):
                        path.unlink(missing_ok=True)
            self._prune(Path(folder))

    def purge(self) -> bool:
        """See `Store.purge`. The folder itself stays."""
        with _store_errors(self._root), suppress(FileNotFoundError), os.scandir(self._root) as entries:
            for entry in sorted(entries, key=lambda entry: f"{entry.name}/" == keys.OWNERS):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink()
        return False

    @cached_property
    def _root(self) -> Path:
        return Path(os.path.realpath(self._given))

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if os.path.realpath(path) != str(path):
            raise KeyRefused(f"{path} leads through a symbolic link, which could leave the store")
        return path

    def _walk(self, folder: str, start_after: str) -> Iterator[str]:
        for key in self._entries(folder):
            if not key.endswith("/"):
                if key > start_after:
                    yield key
            elif key > start_after or start_after.startswith(key):
                yield from self._walk(key, start_after)

    def _entries(self, folder: str) -> list[str]:
        """What lies directly in `folder`, sorted as keys are: a folder's name counts with its slash."""
        path = self._path(folder.removesuffix("/")) if folder else self._root
        try:
            with _store_errors(path), _found(path), os.scandir(path) as entries:
                names = [
                    folder + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
                ]
        except NotFound:
            return []
        return sorted(name for name in names if is_key(name.removesuffix("/")))

    @contextmanager
    def _incoming(self, target: Path) -> Iterator[BinaryIO]:
        """A new file beside `target`; whatever is left of it in the end is removed."""
        file = self._open_beside(target)
        try:
            with file:
                yield file
        finally:
            Path(file.name).unlink(missing_ok=True)

    @staticmethod
    def _open_beside(target: Path) -> BinaryIO:
        def attempt() -> BinaryIO:
            target.parent.mkdir(parents=True, exist_ok=True)
            return (target.parent / f"{_TEMPORARY}{uuid4().hex}").open("xb")

        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError, FileExistsError):  # a deletion removed the emptied folder
                return attempt()
        return attempt()

    def _link(self, temporary: Path, target: Path) -> bool:
        """Makes `target` unless it is there."""
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._rename_alone(temporary, target)
        return True

    def _rename_alone(self, temporary: Path, target: Path) -> bool:
        """The same where the file system has no hard links (exFAT, some network and FUSE mounts)."""
        with (self._root / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.lexists(target):
                return False
            temporary.rename(target)
        return True

    def _prune(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty, already gone, or not ours to remove: an empty folder does no harm
                return
            folder = folder.parent


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _opened(path: Path) -> BinaryIO:
    """Opens a plain file to be read. Anything else is refused: a reader of a pipe would wait without end."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file


@contextmanager
def _found(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFound(f"nothing is stored under {path}") from None


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system refuses into the errors of a store."""
    try:
        yield
    except OSError as error:
        number = cast("int", error.errno)
        remedy = _REFUSED.get(number) or _FULL.get(number)
        kind = StoreRefused if number in _REFUSED else StoreUnavailable
        raise kind(f"{path}: {error.strerror or error}" + (f"; {remedy}" if remedy else "")) from error
