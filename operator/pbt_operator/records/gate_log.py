"""The gates of one population: the newest one known, and writing the next."""

from functools import partial

from pbt_contract.encoding import decode, encode
from pbt_contract.gates import Gate, newest_gate, read_gate
from pbt_contract.stores import Store


class GateLog:
    """Knows the newest gate and writes those that follow.

    Attributes:
        newest: the newest one that is known; None where there is none.
    """

    def __init__(self, store: Store) -> None:
        """Reads nothing yet."""
        self._store = store
        self.newest: Gate | None = None

    def load(self) -> None:
        """Learns of the newest one, whoever wrote it."""
        self.newest = newest_gate(partial(read_gate, self._store), self.newest)

    def write(self, gate: Gate) -> Gate:
        """Records a gate; returns what is stored under its number, which another operator may have written first."""
        self.newest = decode(Gate, self._store.create(gate.key, encode(gate)), key=gate.key)
        return self.newest
