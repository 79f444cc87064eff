"""The hyperparameters that a script reads, with an account of which it read: no other can have an effect."""

from collections.abc import Iterator, Mapping

from pbt_contract.records import Value


class Hyperparameters(Mapping[str, Value]):
    """One mapping for the whole life of a run; a takeover in place replaces its values.

    Attributes:
        read: the names that were ever read.
        read_in_loop: those read inside the loop since the last takeover; a change reaches the running loop.
        looping: whether the loop has begun.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)
        self.read: set[str] = set()
        self.read_in_loop: set[str] = set()
        self.looping = False

    def __getitem__(self, name: str) -> Value:
        value = self._values[name]
        self.read.add(name)
        if self.looping:
            self.read_in_loop.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Hyperparameters({self._values})"

    def peek(self) -> dict[str, Value]:
        """All values, without counting as a reader."""
        return dict(self._values)

    def replace(self, values: Mapping[str, Value]) -> None:
        """New values for some names; what the loop reads is counted from here on."""
        self._values.update(values)
        self.read_in_loop.clear()
