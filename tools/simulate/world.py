"""Virtual time and the processes that live in it: each runs straight-line code in a greenlet, one at a time.

A process goes on when what it waits for is due, so a run is a function of its seed. It can be killed at any wait, which
is to say before and after each of its side effects.
"""

from collections.abc import Callable, Iterable
from random import Random

from greenlet import getcurrent, greenlet

from simulation.clock import Happening, VirtualTime

START = 1_700_000_000.0
"""POSIX time when every world begins."""

ROOM_FROM = 10_000
"""From this seed on worlds may lack room for long, in several ways. Those before stay as they were: of some deliberate
defects few seeds tell."""

READS_FROM = 20_000
"""From this seed on a pass may have few reads, and a page few names."""


class Killed(BaseException):
    """Ends a process where it is, as SIGKILL does; product code must not catch it."""


class Process:
    """Something that runs.

    Attributes:
        name: for people.
        alive: whether it can still do anything.
        part_of: what it is a part of, where somebody has said so.
    """

    def __init__(self, world: "World", name: str, run: Callable[[], None]) -> None:
        self.name, self.alive = name, True
        self.part_of: object = None
        self._world, self._run = world, run
        self._wake: Happening | None = None
        self._idle = False
        self._greenlet = greenlet(self._main, parent=world.hub)

    def _main(self) -> None:
        try:
            if self.alive:
                self._run()
        except Killed:
            pass
        finally:
            self.alive = False

    def kill(self) -> None:
        """It does nothing more, from this moment on."""
        if self.alive:
            self.alive = False
            self._resume_now()

    def wake(self) -> None:
        """Ends its `idle`, if it is there; what it does in between isn't disturbed."""
        if self._idle:
            self._resume_now()

    def _resume_now(self) -> None:
        if self._wake is not None:
            self._wake.cancelled = True
        self._wake = self._world.time.after(0.0, self._greenlet.switch)

    def pause(self, seconds: float, *, idle: bool = False) -> None:
        """Called by the process itself: time passes."""
        self._wake, self._idle = self._world.time.after(seconds, self._greenlet.switch), idle
        self._world.hub.switch()
        self._idle = False
        if not self.alive:
            raise Killed


class World:
    """One run's time, chance and processes.

    Attributes:
        time: virtual seconds since the beginning.
        wrong: what broke a law, a sentence for each.
        trace: takes a line for everything that happens, if it is set.
    """

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self.time = VirtualTime()
        self.hub = getcurrent()
        self.wrong: list[str] = []
        self.trace: Callable[[str], None] | None = None
        self._processes: dict[greenlet, Process] = {}

    @property
    def knows_room(self) -> bool:
        """Whether it is one of those in which room may lack for long."""
        return isinstance(self.seed, int) and self.seed >= ROOM_FROM

    @property
    def knows_few_reads(self) -> bool:
        """Whether it is one of those in which a pass may have few reads."""
        return isinstance(self.seed, int) and self.seed >= READS_FROM

    def chance(self, purpose: str) -> Random:
        """A generator of its own for each purpose, so that what one draws doesn't change the others."""
        return Random(f"{self.seed}/{purpose}")

    def now(self) -> float:
        """POSIX time."""
        return START + self.time.now

    def spawn(self, name: str, run: Callable[[], None], *, after: float = 0.0) -> Process:
        """Starts a process in so many seconds."""
        process = Process(self, name, run)
        self._processes[process._greenlet] = process
        process._wake = self.time.after(after, process._greenlet.switch)
        return process

    @property
    def current(self) -> Process:
        """The process that runs now."""
        return self._processes[getcurrent()]

    def is_running(self, name: str) -> bool:
        """Whether what happens now is done by a process whose name begins like this, not by the world itself."""
        process = self._processes.get(getcurrent())
        return process is not None and process.name.startswith(name)

    def sleep(self, seconds: float) -> None:
        """Time passes for the current process."""
        self.current.pause(seconds)

    def idle(self, seconds: float) -> None:
        """As `sleep`, unless something wakes the process before."""
        self.current.pause(seconds, idle=True)

    def tell(self, told: str) -> None:
        """What happens, for whoever looks for a cause."""
        if self.trace is not None:
            process = self._processes.get(getcurrent())
            self.trace(f"{self.time.now:9.2f} {process.name if process else 'world'}: {told}")

    def blame(self, told: str) -> None:
        """Somebody broke a law."""
        self.tell(f"WRONG {told}")
        self.wrong.append(f"{self.time.now:.1f} s: {told}")

    def blame_all(self, about: str, faults: Iterable[str]) -> None:
        """Somebody broke these laws."""
        for fault in faults:
            self.blame(f"{about} {fault}")

    def close(self) -> None:
        """Ends every process: greenlets that are only dropped would hold their frames."""
        for process in self._processes.values():
            process.alive = False
            if process._greenlet and not process._greenlet.dead:
                process._greenlet.throw(Killed)
