"""A trainer at its gates: how far it may train as far as it knows, and when it gives up to wait for a decision."""

from functools import partial

from pbt_contract import keys
from pbt_contract.errors import StoreUnavailable
from pbt_contract.gates import Gate, newest_gate, read_gate
from pbt_contract.stores.s3 import S3Store
from simulate.world import World

FIRST_PAUSE_SECONDS = 0.25
LOOKS_AT_REPORTS_SECONDS = 60.0
PATIENCE_SECONDS = 60.0


class GateWait:
    """What one process knows of the gates.

    Attributes:
        ignores: it never waits, as a trainer in another language may.
        gate: the newest one that it knows.
        seconds: how long it has waited since its newest record.
        in_vain: the gates at which it gave up: the quorum was there, and nobody decided.
    """

    def __init__(self, world: World, store: S3Store, *, poll_seconds: float, ignores: bool = False) -> None:
        self.ignores, self.seconds = ignores, 0.0
        self.gate: Gate | None = None
        self.in_vain: list[int] = []
        self._world, self._store, self._poll_seconds = world, store, poll_seconds
        self._pause = FIRST_PAUSE_SECONDS
        self._counted = 0.0
        self._quorum_since: float | None = None

    def begin(self) -> None:
        """A wait begins."""
        self._pause, self._quorum_since = FIRST_PAUSE_SECONDS, None
        self._counted = self._world.time.now

    def may_train(self, number: int, *, interval_seconds: float) -> bool:
        """Whether the steps of a round may be trained, after a look at the store.

        Args:
            number: the round.
            interval_seconds: what its own newest interval took.
        """
        if self.ignores:
            return True
        try:
            if self.gate is None or self.gate.up_to < number or self.is_unbounded:
                self.gate = newest_gate(partial(read_gate, self._store), self.gate)
            self._count(interval_seconds)
        except StoreUnavailable:
            return self._is_open(number)
        return self._is_open(number)

    @property
    def is_unbounded(self) -> bool:
        """Whether it has given up at the newest gate that it knows."""
        return self.gate is not None and self.gate.number in self.in_vain

    def pause(self) -> float:
        """Seconds until the next look."""
        found, self._pause = self._pause, min(2 * self._pause, max(FIRST_PAUSE_SECONDS, self._poll_seconds))
        return found

    def _is_open(self, number: int) -> bool:
        return self.gate is None or self.gate.up_to >= number or self.is_unbounded

    def _count(self, interval_seconds: float) -> None:
        """Once a minute it looks whether the round that the gate awaits has its quorum."""
        now, gate = self._world.time.now, self.gate
        if gate is None or gate.is_strict is True or not gate.awaits or self.is_unbounded:
            return
        if now < self._counted + LOOKS_AT_REPORTS_SECONDS:
            return
        self._counted = now
        names = self._store.names(keys.reports_of(gate.awaits))
        if len({keys.life_in(name).member for name in names}) < gate.quorum:
            self._quorum_since = None
            return
        self._quorum_since = now if self._quorum_since is None else self._quorum_since
        if now - self._quorum_since > 2 * interval_seconds + PATIENCE_SECONDS:
            self._world.tell(f"waits in vain at gate {gate.number}")
            self.in_vain.append(gate.number)
