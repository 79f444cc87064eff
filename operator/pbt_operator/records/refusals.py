"""The records of one population that were refused: each is told once, and isn't read again."""

from collections.abc import Callable

from pbt_contract.errors import RecordRefused


class Refusals:
    """By key, as long as a record may be met again."""

    def __init__(self, on_refused: Callable[[str, str], None]) -> None:
        """None yet; `on_refused` is called once for each record that is refused, with its key and the reason."""
        self._on_refused = on_refused
        self._keys: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, refusal: RecordRefused) -> None:
        """A record is refused; it is told unless it was before."""
        if key not in self._keys:
            self._keys.add(key)
            self._on_refused(key, str(refusal))

    def keep(self, needed: Callable[[str], bool]) -> None:
        """Forgets all but those that may be met again."""
        self._keys = {key for key in self._keys if needed(key)}
