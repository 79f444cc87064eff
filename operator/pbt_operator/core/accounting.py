"""Counts over the whole life of a population: births, exploits, and the steps and seconds that were kept or lost.

Steps need no more of a record than its name. Seconds need the record itself, read once.
"""

from dataclasses import dataclass

from msgspec import UnsetType

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Report
from pbt_operator.core.takeovers import DECIDED, TakeoverCount
from pbt_operator.core.tally import Shares, Span, Tally


@dataclass(frozen=True, slots=True)
class Spent:
    """What the recorded time of all processes went to, in seconds.

    Attributes:
        productive: training behind the records that count.
        discarded: training behind those that don't.
        waiting: at gates.
        starting: from the start of a process, or the end of the life before in it, to its first step.
    """

    productive: float = 0.0
    discarded: float = 0.0
    waiting: float = 0.0
    starting: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.productive + self.discarded + self.waiting + self.starting


class Ledger:
    """Every birth, how far it came, and how long that took.

    Attributes:
        takeovers: how processes came to the births that rounds decided.
        is_whole: whether the time of all records that are known by name was counted.
    """

    def __init__(self) -> None:
        self.takeovers = TakeoverCount()
        self.num_births = self.num_exploits = 0
        self.is_whole = True
        self._steps = self._training = Shares()
        self._waiting = self._starting = 0
        self._members: dict[int, Tally] = {}

    @property
    def productive(self) -> int:
        """Steps that are part of some member's story."""
        return self._steps.productive

    @property
    def discarded(self) -> int:
        """Steps past the one at which their life was closed."""
        return self._steps.discarded

    @property
    def spent(self) -> Spent:
        """The time behind all records that were read."""
        training = self._training
        found = (training.productive, training.discarded, self._waiting, self._starting)
        return Spent(*(milliseconds / 1000 for milliseconds in found))

    def add_birth(self, birth: Birth) -> None:
        """Learns of a birth, in any order, any number of times."""
        tally = self._members.setdefault(birth.member, Tally())
        before = tally.steps, tally.training
        if not tally.add_birth(birth):
            return
        self.num_births += not birth.cause.closes
        self.num_exploits += birth.cause in DECIDED
        self.takeovers.add_birth(birth)
        self._count(tally, *before)

    def knows(self, life: Life) -> bool:
        """Whether its birth was counted."""
        tally = self._members.get(life.member)
        return tally is not None and tally.knows(life.incarnation)

    def add_name(self, life: Life, step: int) -> None:
        """Learns by the name of a record that a life recorded `step`."""
        tally = self._members.setdefault(life.member, Tally())
        before = tally.steps, tally.training
        tally.reach(life.incarnation, step)
        self._count(tally, *before)

    def add_record(self, record: Report) -> None:
        """Learns of a report or save, in any order, any number of times."""
        self.add_name(record.life, record.step)
        tally = self._members[record.member]
        if tally.has(record.incarnation, record.round, record.step):
            return
        before = tally.steps, tally.training
        tally.train(record.incarnation, record.round, record.step, _milliseconds(record.seconds))
        self._waiting += _milliseconds(record.waited)
        self._starting += _milliseconds(record.starting)
        self._count(tally, *before)

    def has_time(self, life: Life, number: int | None, step: int) -> bool:
        """Whether the time behind a report of that round, or a save at that step, was counted."""
        tally = self._members.get(life.member)
        return tally is not None and tally.has(life.incarnation, number, step)

    def spans(self, member: int) -> dict[int, Span]:
        """By incarnation, how far it came. What lies past the step at which it was closed doesn't count."""
        return self._members.setdefault(member, Tally()).spans()

    def _count(self, tally: Tally, steps: Shares, training: Shares) -> None:
        self._steps = self._steps.plus(tally.steps).plus(steps, sign=-1)
        self._training = self._training.plus(tally.training).plus(training, sign=-1)


def _milliseconds(seconds: float | UnsetType) -> int:
    """Whole ones: their sum is the same in any order."""
    return 0 if isinstance(seconds, UnsetType) else round(seconds * 1000)
