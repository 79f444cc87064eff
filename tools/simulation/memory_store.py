"""A store in memory, for simulations and tests of decisions."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import RLock

from pbt_contract.errors import CorruptCheckpoint, NotFound
from pbt_contract.key_rules import check_key, check_prefix
from pbt_contract.records import File
from pbt_contract.stores.verify import destination, verify, verify_record_size, verify_source


class MemoryStore:
    """Objects in a dict, their names in a sorted list."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._names: list[str] = []
        self._lock = RLock()

    @property
    def url(self) -> str:
        """Nothing else can open it."""
        return "memory:"

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        verify_record_size(len(data), key=check_key(key))
        with self._lock:
            if key not in self._objects:
                self.put(key, data)
            return self._objects[key]

    def put(self, key: str, data: bytes) -> None:
        """Stores `data`, whatever was there."""
        check_key(key)
        with self._lock:
            if key not in self._objects:
                insort(self._names, key)
            self._objects[key] = data

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        data = self._get(key)
        verify_record_size(len(data), key=key)
        return data

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """See `Store.names`."""
        check_prefix(prefix)
        with self._lock:
            found = []
            for name in self._names[bisect_right(self._names, max(start_after, prefix)) :]:
                if not name.startswith(prefix):
                    break
                found.append(name)
        return iter(found)

    def folders(self, beginning: str) -> list[str]:
        """See `Store.folders`."""
        with self._lock:
            found = {name.partition("/")[0] for name in self._names if "/" in name}
        return sorted(name for name in found if name.startswith(beginning))

    def upload(self, key: str, path: Path, *, size: int) -> None:
        """See `Store.upload`."""
        verify_source(path, size, key=check_key(key))
        with path.open("rb") as source:
            self.put(key, source.read(size))

    def fetch(self, key: str, file: File, folder: Path) -> Path:
        """See `Store.fetch`."""
        path, data = destination(folder, file), self._get(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        try:
            verify(path, file, key=key)
        except CorruptCheckpoint:
            path.unlink()
            raise
        return path

    def delete(self, doomed: Iterable[str]) -> None:
        """See `Store.delete`."""
        for key in doomed:
            check_key(key)
            with self._lock:
                if self._objects.pop(key, None) is not None:
                    del self._names[bisect_left(self._names, key)]

    def abandon_uploads(self, prefix: str) -> None:
        """See `Store.abandon_uploads`: uploads here are whole or not at all."""
        check_prefix(prefix)

    def purge(self) -> bool:
        """See `Store.purge`."""
        with self._lock:
            self._objects.clear()
            self._names.clear()
        return False

    def _get(self, key: str) -> bytes:
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise NotFound(f"nothing is stored under {key}") from None
