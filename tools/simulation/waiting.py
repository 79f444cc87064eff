"""How a simulated trainer waits at gates: what it knows of them, and how long it has waited."""

from dataclasses import dataclass
from functools import partial

from pbt_contract.gates import Gate, newest_gate, read_gate
from pbt_contract.stores import Store


@dataclass
class Waiting:
    """One process at its gates.

    Attributes:
        store: where they are.
        gate: the newest one that it knows.
        since: when it began to wait; None while it trains.
        seconds: that it has waited since its newest record.
    """

    store: Store
    gate: Gate | None = None
    since: float | None = None
    seconds: float = 0.0

    def is_open(self, number: int) -> bool:
        """Whether the steps of a round may be trained, as far as is known; without any gate they may."""
        return self.gate is None or self.gate.up_to >= number

    def look(self, number: int) -> bool:
        """The same, after a look at the store where it has to know."""
        if self.gate is None or not self.is_open(number):
            self.gate = newest_gate(partial(read_gate, self.store), self.gate)
        return self.is_open(number)

    def begin(self, now: float) -> None:
        """It waits."""
        self.since = now if self.since is None else self.since

    def end(self, now: float) -> None:
        """It waits no more."""
        if self.since is not None:
            self.seconds, self.since = self.seconds + now - self.since, None

    def reset(self) -> None:
        """It begins a life, or has made a record."""
        self.seconds, self.since = 0.0, None
