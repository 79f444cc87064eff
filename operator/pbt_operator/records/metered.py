"""A store that counts what is read from it, so that a pass knows what it has spent, whoever has read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock

from pbt_contract.records import File
from pbt_contract.stores import Store
from pbt_operator.records.paged_names import NAMES_A_READ


class Metered:
    """Another store, with a count.

    Attributes:
        num_reads: how many records, and pages of names, were asked for.
    """

    def __init__(self, store: Store) -> None:
        """Has counted nothing yet."""
        self._store, self._lock = store, Lock()
        self.num_reads = 0

    @property
    def url(self) -> str:
        """See `Store.url`."""
        return self._store.url

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        self._count()
        return self._store.read(key)

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """See `Store.names`."""
        self._count()
        for number, name in enumerate(self._store.names(prefix, start_after=start_after), start=1):
            if number % NAMES_A_READ == 0:
                self._count()
            yield name

    def folders(self, beginning: str) -> list[str]:
        """See `Store.folders`."""
        return self._store.folders(beginning)

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        return self._store.create(key, data)

    def upload(self, key: str, path: Path, *, size: int) -> None:
        """See `Store.upload`."""
        self._store.upload(key, path, size=size)

    def fetch(self, key: str, file: File, folder: Path) -> Path:
        """See `Store.fetch`."""
        return self._store.fetch(key, file, folder)

    def delete(self, doomed: Iterable[str]) -> None:
        """See `Store.delete`."""
        self._store.delete(doomed)

    def abandon_uploads(self, prefix: str) -> None:
        """See `Store.abandon_uploads`."""
        self._store.abandon_uploads(prefix)

    def purge(self) -> bool:
        """See `Store.purge`."""
        return self._store.purge()

    def _count(self) -> None:
        with self._lock:
            self.num_reads += 1
