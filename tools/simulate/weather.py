"""Which faults one seed has, how often, and until when: everything here is drawn from the seed."""

from collections.abc import Callable
from random import Random

from simulate.world import Killed, World

RATES: dict[str, tuple[float, ...]] = {
    # by request, unless something else is said
    "operator dies": (0.0, 0.0, 0.002, 0.02),
    "trainer dies": (0.0, 0.0, 0.004, 0.02),
    "store fails": (0.0, 0.0, 0.01, 0.1),
    "store answer lost": (0.0, 0.0, 0.01, 0.05),
    "store conflict": (0.0, 0.0, 0.02, 0.2),
    "store cuts body": (0.0, 0.0, 0.01, 0.05),
    "api fails": (0.0, 0.0, 0.02, 0.2),
    "api answer lost": (0.0, 0.0, 0.02, 0.1),
    "api quota": (0.0, 0.0, 0.0, 0.3),
    # by event of a watch
    "watch goes deaf": (0.0, 0.0, 0.01, 0.05),
    "watch repeats": (0.0, 0.0, 0.1),
    # by step of a trainer
    "script crashes": (0.0, 0.0, 0.0, 0.02, 0.1),
    "out of memory": (0.0, 0.0, 0.0, 0.01),
    "hangs": (0.0, 0.0, 0.0, 0.003),
    "slow step": (0.0, 0.0, 0.1),
    # by interval
    "slow interval": (0.0, 0.0, 0.3),
    # by report
    "diverges": (0.0, 0.0, 0.05, 0.3),
    "no score yet": (0.0, 0.0, 0.05, 0.3),
    "script is done": (0.0, 0.0, 0.05, 0.2),
    # by pod
    "unschedulable": (0.0, 0.0, 0.1, 0.3),
    "refused by the node": (0.0, 0.0, 0.0, 0.1),
    "slow start": (0.0, 0.0, 0.05, 0.2),
    # by pod on one of the nodes
    "bad node": (0.0, 0.0, 0.0, 0.5),
}
# These are drawn each by a chance of its own, so that the other seeds' weather stays as it was.
LATER_RATES: dict[str, tuple[float, ...]] = {
    "pod goes unseen": (0.0, 0.0, 0.0, 0.1),  # by creation
}
PIECE_RATES: dict[str, tuple[float, ...]] = {
    "a piece is spoilt": (0.0, 0.5, 0.8),  # by read of a piece, on its way
}
DELAYS = {"store": (0.0, 0.01, 0.2, 2.0), "api": (0.0, 0.01, 0.2, 1.0), "watch": (0.0, 0.1, 2.0, 20.0)}
SERVICES = ("store", "api")


class Weather:
    """The faults of one world. After `clears_at` there are none any more.

    Attributes:
        is_scoreless: no report ever has a finite score: the script is wrong.
    """

    def __init__(self, world: World, *, clears_at: float, calm: bool = False) -> None:
        self._world, self._calm = world, calm
        self.clears_at = clears_at
        self._random = world.chance("weather")
        drawn = world.chance("climate")
        self.rates = {name: drawn.choice(rates) for name, rates in RATES.items()}
        later = LATER_RATES | PIECE_RATES
        self.rates |= {name: world.chance(name).choice(rates) for name, rates in later.items()}
        self.is_scoreless = world.chance("scores").random() < 0.03
        self._delays = {name: drawn.choice(delays) for name, delays in DELAYS.items()}
        self._down_until = dict.fromkeys(SERVICES, 0.0)
        self.kill_current: Callable[[], bool] = lambda: False
        self.hold_current: Callable[[str], None] = lambda _: (
            None
        )  # a request to this path is under way for long
        self.counted: dict[str, int] = {}

    def spare(self, *faults: str) -> None:
        """These never happen in this world."""
        self.rates.update(dict.fromkeys(faults, 0.0))

    @property
    def is_clear(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self._calm or self._world.time.now >= self.clears_at

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        rate = self.rates[fault]
        if not rate or self.is_clear or self._random.random() >= rate:
            return False
        self.counted[fault] = self.counted.get(fault, 0) + 1
        return True

    def strike_process(self) -> None:
        """A side effect is about to happen, or just has: the process that causes it may be killed here."""
        if self.kill_current():
            raise Killed

    def latency(self, of: str) -> float:
        """Seconds that a request or a watch event takes."""
        most = self._delays[of]
        return self._random.uniform(0.0, most) if most else 0.0

    def is_down(self, service: str) -> bool:
        """Whether nobody reaches it."""
        return not self.is_clear and self._world.time.now < self._down_until[service]

    def take_down(self, service: str, *, seconds: float) -> None:
        """Nobody reaches it for a while."""
        self._down_until[service] = self._world.time.now + seconds
        name = f"{service} down"
        self.counted[name] = self.counted.get(name, 0) + 1


def draw_pause(random: Random) -> float:
    """Seconds between two things that somebody does to a population: sometimes at once, sometimes long after."""
    return random.choice((0.0, 1.0, 5.0, 20.0, 60.0)) * random.random()
