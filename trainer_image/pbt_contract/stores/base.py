"""What a store must be able to do. All keys are relative to the location that the store was opened at."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from pbt_contract.records import File


class Store(Protocol):
    """A location of one population. Implementations are safe to use from several threads.

    Every method raises `KeyRefused` for a key that would leave the location, `StoreUnavailable` when the
    store can't be reached, and `StoreRefused` when it never will accept the request.
    """

    @property
    def url(self) -> str:
        """The location, as `open_store` takes it."""
        ...

    def create(self, key: str, data: bytes) -> bytes:
        """Writes a record unless there is one, and returns what is stored then: the first writer's bytes.

        Raises:
            RecordRefused: it is larger than a record may be.
        """
        ...

    def read(self, key: str) -> bytes:
        """A record's bytes.

        Raises:
            NotFound: there is none.
            RecordRefused: it is larger than a record may be.
        """
        ...

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """The keys below `prefix`, empty or ending in a slash, that sort after `start_after`; ascending."""
        ...

    def folders(self, beginning: str) -> list[str]:
        """The names of the folders directly below the location that start with `beginning`; ascending."""
        ...

    def upload(self, key: str, path: Path, *, size: int) -> None:
        """Stores the first `size` bytes of a file. What was there is replaced: keys carry a nonce.

        Raises:
            CorruptCheckpoint: the file is shorter.
        """
        ...

    def fetch(self, key: str, file: File, folder: Path) -> Path:
        """A local path with the verified content of `key`.

        Args:
            key: what to fetch.
            file: the size and checksum that it must have.
            folder: where a download may be put; a store that is local already returns its own path.

        Raises:
            NotFound: it was deleted.
            CorruptCheckpoint: its size or checksum differ.
        """
        ...

    def delete(self, doomed: Iterable[str]) -> None:
        """Deletes what is there of `doomed`; what isn't is no error."""
        ...

    def abandon_uploads(self, prefix: str) -> None:
        """Drops what unfinished uploads below `prefix` left behind."""
        ...

    def purge(self) -> bool:
        """Deletes all that lies below the location, whatever its name; `owners/` goes last.

        Returns:
            Whether the store keeps old versions of what was deleted, which cost until a lifecycle rule ends them.
        """
        ...
