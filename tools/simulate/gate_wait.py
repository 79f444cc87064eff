"""A simulated trainer at its gates: the watch of the SDK's courier, in virtual time."""

import math

from pbt_contract.errors import StoreUnavailable
from pbt_contract.gates import Gate
from pbt_trainer.courier.gate_watch import GateWatch
from pbt_trainer.courier.incarnation import Incarnation
from simulate.world import World


class GateWait:
    """What one process knows of the gates, and how long it has waited at them.

    Attributes:
        ignores: it never waits, as a trainer in another language may.
        seconds: how long it has waited since its newest record.
        in_vain: the numbers of the gates at which it gave up waiting.
    """

    def __init__(
        self, world: World, life: Incarnation, *, poll_seconds: float, ignores: bool = False
    ) -> None:
        self.ignores, self.seconds = ignores, 0.0
        self.in_vain: list[int] = []
        self._world, self._poll_seconds = world, poll_seconds
        self._watch = GateWatch(life, poll_seconds=poll_seconds)
        self._awaited = 0
        self._is_in_vain = False
        self._watch.start(world.time.now)

    @property
    def gate(self) -> Gate | None:
        """The newest one that it knows."""
        return self._watch._gate

    @property
    def is_unbounded(self) -> bool:
        """Whether it has given up waiting at that one."""
        return self._watch.in_vain is not None

    @property
    def interval_seconds(self) -> float:
        """The longest interval that it knows of."""
        return self._watch._interval_seconds

    def becomes(self, life: Incarnation, interval_seconds: float) -> None:
        """The process has another life, from a record whose interval took so many seconds."""
        self._awaited = 0
        self._watch.becomes(life, self._world.time.now)
        self._watch.lasted(interval_seconds)

    def reported(self, number: int, interval_seconds: float) -> None:
        """A ready report of a round was committed."""
        self._watch.reported(number, interval_seconds, self._world.time.now)

    def may_train(self, number: int) -> bool:
        """Whether the steps of a round may be trained, after a look at the store where one is due."""
        if self.ignores:
            return True
        if self._watch.bound < number != self._awaited:
            self._awaited = number
            self._watch.awaits(number, self._world.time.now)
        if not self._watch.wait(self._world.time.now):
            self._look()
        return self._watch.bound >= number

    def pause(self) -> float:
        """Seconds until the next look; where none is due, as long as it may take until something else happens."""
        pause = self._watch.wait(self._world.time.now)
        return self._poll_seconds if pause == math.inf else pause

    def _look(self) -> None:
        try:
            self._watch.look(self._world.time.now)
        except StoreUnavailable:
            return
        was, self._is_in_vain = self._is_in_vain, self._watch.in_vain is not None
        if self._is_in_vain and not was:
            self._world.tell(f"waits in vain: {self._watch.in_vain}")
            self.in_vain.append(self.gate.number if self.gate is not None else 0)
