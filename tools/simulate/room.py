"""How many pods the cluster has room for: it grows and shrinks, and another tenant takes what is given back.

Three kinds of clusters: one whose nodes are as many as somebody says, one in which a queue lets pods in by its quota,
and one that makes nodes for the pods that wait.
"""

from collections.abc import Callable
from typing import ClassVar

from simulate.weather import Weather
from simulate.world import World

LIMITED = 0.4  # of the worlds
TENANT_SECONDS = 60.0
LOOK_SECONDS = 20.0  # between two looks of what makes nodes
IDLE_SECONDS = 600.0  # after which a node that nobody uses goes


class Room:
    """The places of one cluster. Without a limit everybody has one.

    Attributes:
        waiting_for: why a pod has no place, as the scheduler says it.
        evicted_by: the condition of a pod whose place is taken back.
        most: places for this population and the other tenant; None where nothing limits them.
        num_grown: how many places came because pods waited.
    """

    waiting_for: ClassVar[dict[str, str]] = {
        "reason": "Unschedulable",
        "message": "3 Insufficient nvidia.com/gpu",
    }
    evicted_by: ClassVar[tuple[str, str]] = ("DisruptionTarget", "PreemptionByScheduler")

    def __init__(self, world: World, weather: Weather, *, members: int, is_scarce: bool = False) -> None:
        """Nothing changes before `begin`; `is_scarce`: there is too little room until the end."""
        self._world, self._weather, self._members = world, weather, members
        self._random = world.chance("room")
        self.most = self._random.choice((1, 2, 3)) if self._random.random() < LIMITED else None
        self._later = self._random.choice((None, 2, 3))  # when all is calm
        self._competes = self._random.random() < 0.5
        if is_scarce:
            self.most = self.most or self._random.choice((1, 2, 3))
            self._later = self._later or self.most
        self.num_grown = 0
        self._held: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._tenants: list[float] = []
        self.evict: Callable[[str], None] = lambda _: None
        self.changed: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Starts to change, where it is limited."""
        if self.most is not None:
            self._world.spawn("room", self._run)

    def take(self, uid: str) -> bool:
        """Whether there is a place for a pod; it waits for one otherwise."""
        self._waiting.setdefault(uid)
        if self._num_free <= self._num_before(uid):
            return False
        del self._waiting[uid]
        self._held[uid] = None
        return True

    @property
    def _num_free(self) -> int:
        self._tenants = [until for until in self._tenants if until > self._world.time.now]
        taken = len(self._held) + len(self._tenants)
        return taken + 1 if self.most is None else self.most - taken

    def _num_before(self, _uid: str) -> int:
        """How many pods that wait have a better right to a place: a scheduler takes whichever it looks at."""
        return 0

    def give_back(self, uid: str) -> None:
        """A pod has left its place, or waits for none any more; the other tenant may be there first."""
        self._waiting.pop(uid, None)
        if uid not in self._held:
            return
        del self._held[uid]
        if self.most is not None and self._competes and not self._weather.is_clear:
            self._tenants.append(self._world.time.now + TENANT_SECONDS)
        self.changed()

    def _run(self) -> None:
        while not self._weather.is_clear:
            self._world.sleep(self._random.uniform(20.0, 400.0))
            self._set(self._random.choice((1, 2, 2, 3, self._members)))
        self._set(self._later)

    def _set(self, most: int | None) -> None:
        self.most = most
        self._world.tell(f"room for {most}")
        for uid in [*self._held][most or len(self._held) :]:
            self.evict(uid)
        self.changed()


class Queue(Room):
    """A queue with a quota: pods are let in by their age, and the youngest leave again when the quota shrinks."""

    waiting_for: ClassVar[dict[str, str]] = {"reason": "SchedulingGated", "message": "it waits in its queue"}
    evicted_by: ClassVar[tuple[str, str]] = ("TerminationTarget", "WorkloadEvictedDueToPreempted")

    def _num_before(self, uid: str) -> int:
        return [*self._waiting].index(uid)


class Growing(Room):
    """Nodes are made for the pods that wait, as many as there are, and come minutes later."""

    def _run(self) -> None:
        idle_since = self._world.time.now
        while True:
            self._world.sleep(LOOK_SECONDS)
            asked = min(len(self._waiting), self._members - (self.most or 0))
            if asked > 0:
                self._world.sleep(self._random.uniform(60.0, 240.0))
                self.num_grown += asked
                self._set((self.most or 0) + asked)
            if self._waiting or self._num_free <= 0:
                idle_since = self._world.time.now
            elif self._world.time.now > idle_since + IDLE_SECONDS and not self._weather.is_clear:
                self._set(max(1, len(self._held)))


def draw_room(world: World, weather: Weather, *, members: int, is_scarce: bool) -> Room:
    """The cluster of one world."""
    kinds: tuple[type[Room], ...] = (Room, Room, Queue, Queue, *(() if is_scarce else (Growing,)))
    kind = world.chance("kind of room").choice(kinds) if world.knows_room else Room
    return kind(world, weather, members=members, is_scarce=is_scarce)
