"""What one member's lives recorded, and how much of it counts: steps, and the time that they took.

Each life is looked at while a birth may still change what counts of it: until a decision has closed its line.
"""

from bisect import insort
from dataclasses import dataclass, field
from typing import NamedTuple

from pbt_contract.records import Birth


@dataclass(frozen=True, slots=True)
class Span:
    """How far one incarnation came, and how much of it counts."""

    start: int
    counted: int
    reached: int


class Shares(NamedTuple):
    """Steps or milliseconds: of what counts, and of what doesn't."""

    productive: int = 0
    discarded: int = 0

    def plus(self, other: "Shares", *, sign: int = 1) -> "Shares":
        """The sum of both, or their difference."""
        return Shares(self.productive + sign * other.productive, self.discarded + sign * other.discarded)


class _Born(NamedTuple):
    """What of a birth says which steps count: tens of thousands of them are kept."""

    start_step: int
    previous_step: int
    resumes: bool


@dataclass(slots=True)
class _Seen:
    """Which records of a life were counted: reports as bits from a first round on, saves by their step."""

    first: int = 0
    rounds: int = 0
    saves: set[int] = field(default_factory=set)

    def has(self, number: int | None, step: int) -> bool:
        """Whether that report or save was counted."""
        if number is None:
            return step in self.saves
        return number >= self.first and bool(self.rounds >> (number - self.first) & 1)

    def add(self, number: int | None, step: int) -> None:
        """It is counted now."""
        if number is None:
            self.saves.add(step)
            return
        if not self.rounds or number < self.first:
            self.rounds <<= self.first - number if self.rounds else 0
            self.first = number
        self.rounds |= 1 << (number - self.first)


class Tally:
    """One member's lives.

    Attributes:
        steps: recorded by all of them together.
        training: milliseconds of training behind those of their records that were counted.
    """

    def __init__(self) -> None:
        """Knows of no life."""
        self.steps = self.training = Shares()
        self._births: dict[int, _Born] = {}
        self._reached: dict[int, int] = {}
        self._limits: dict[int, int] = {}  # by closed incarnation: up to which step its records count
        self._open: list[int] = []  # those of which a birth may still change that, ascending
        self._records: dict[int, list[tuple[int, int]]] = {}  # of these: steps, and milliseconds of training
        self._seen: dict[int, _Seen] = {}

    def add_birth(self, birth: Birth) -> bool:
        """Learns of a birth, in any order; returns whether it wasn't known."""
        if birth.incarnation in self._births:
            return False
        self._births[birth.incarnation] = _Born(birth.start_step, birth.previous_step, birth.cause.resumes)
        self._change(birth.incarnation, Shares(), Shares())
        insort(self._open, birth.incarnation)
        self._close()
        return True

    def knows(self, incarnation: int) -> bool:
        """Whether its birth was counted."""
        return incarnation in self._births

    def reach(self, incarnation: int, step: int) -> None:
        """Learns that an incarnation recorded `step`."""
        if step <= self._reached.get(incarnation, -1):
            return
        before = self._steps(incarnation)
        self._reached[incarnation] = step
        self.steps = self.steps.plus(self._steps(incarnation)).plus(before, sign=-1)

    def has(self, incarnation: int, number: int | None, step: int) -> bool:
        """Whether the training behind a report of that round, or a save at that step, was counted."""
        seen = self._seen.get(incarnation)
        return seen is not None and seen.has(number, step)

    def train(self, incarnation: int, number: int | None, step: int, milliseconds: int) -> None:
        """Counts the training behind a report or save, which wasn't counted before."""
        self._seen.setdefault(incarnation, _Seen()).add(number, step)
        if incarnation not in self._births or incarnation in self._open:
            self._records.setdefault(incarnation, []).append((step, milliseconds))
        if incarnation in self._births:
            share = _split([(step, milliseconds)], self._limits.get(incarnation))
            self.training = self.training.plus(share)

    def spans(self) -> dict[int, Span]:
        """By incarnation, how far it came. What lies past the step at which it was closed doesn't count."""
        return {incarnation: self._span(incarnation) for incarnation in self._births}

    def _close(self) -> None:
        """Works out anew what counts of the lives that are open; those that no birth can change are open no more."""
        still: list[int] = []
        for incarnation in reversed(self._open):
            following = self._following(incarnation)
            if following is None:
                still.append(incarnation)
                continue
            birth, passed_on = self._births[following], self._limits.get(following)
            # A decision closes the line before it; a resume passes on what closed the line that it goes on with.
            limit = birth.previous_step
            if birth.resumes and passed_on is not None:
                limit = min(passed_on, limit)
            if limit != self._limits.get(incarnation):
                before = self._steps(incarnation), self._training(incarnation)
                self._limits[incarnation] = limit
                self._change(incarnation, *before)
            if following != incarnation + 1 or (birth.resumes and following in still):
                still.append(incarnation)
            else:
                self._records.pop(incarnation, None)
        self._open = still[::-1]

    def _following(self, incarnation: int) -> int | None:
        """The next birth that is known."""
        if incarnation + 1 in self._births:
            return incarnation + 1
        return min((known for known in self._births if known > incarnation), default=None)

    def _change(self, incarnation: int, steps: Shares, training: Shares) -> None:
        """Counts a life as it is now, in place of what it was counted for before."""
        self.steps = self.steps.plus(self._steps(incarnation)).plus(steps, sign=-1)
        self.training = self.training.plus(self._training(incarnation)).plus(training, sign=-1)

    def _span(self, incarnation: int) -> Span:
        start = self._births[incarnation].start_step
        reached, limit = self._reached.get(incarnation, start), self._limits.get(incarnation)
        counted = reached if limit is None else max(start, min(reached, limit))
        return Span(start=start, counted=counted, reached=reached)

    def _steps(self, incarnation: int) -> Shares:
        if incarnation not in self._births:
            return Shares()
        span = self._span(incarnation)
        return Shares(span.counted - span.start, span.reached - span.counted)

    def _training(self, incarnation: int) -> Shares:
        return _split(self._records.get(incarnation, ()), self._limits.get(incarnation))


def _split(records: "list[tuple[int, int]] | tuple[()]", limit: int | None) -> Shares:
    """The milliseconds of the records up to a step, and of those past it."""
    kept = sum(spent for step, spent in records if limit is None or step <= limit)
    return Shares(kept, sum(spent for _, spent in records) - kept)
