"""How many pods the cluster has room for: it grows and shrinks, and another tenant takes what is given back."""

from collections.abc import Callable

from simulate.weather import Weather
from simulate.world import World

LIMITED = 0.4  # of the worlds
TENANT_SECONDS = 60.0


class Room:
    """The places of one cluster. Without a limit everybody has one.

    Attributes:
        most: places for this population and the other tenant; None where nothing limits them.
        scarce_since: since when somebody waits; None while nobody does.
    """

    def __init__(self, world: World, weather: Weather, *, members: int) -> None:
        """Nothing changes before `begin`."""
        self._world, self._weather, self._members = world, weather, members
        self._random = world.chance("room")
        self.most = self._random.choice((1, 2, 3)) if self._random.random() < LIMITED else None
        self._later = self._random.choice((None, 2, 3))  # when all is calm
        self._competes = self._random.random() < 0.5
        self._held: dict[str, None] = {}
        self._tenants: list[float] = []
        self.evict: Callable[[str], None] = lambda _: None
        self.changed: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Starts to change, where it is limited."""
        if self.most is not None:
            self._world.spawn("room", self._run)

    def take(self, uid: str) -> bool:
        """Whether there is a place for a pod."""
        self._tenants = [until for until in self._tenants if until > self._world.time.now]
        if self.most is not None and len(self._held) + len(self._tenants) >= self.most:
            return False
        self._held[uid] = None
        return True

    def give_back(self, uid: str) -> None:
        """A pod has left its place; the other tenant may be there first."""
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
