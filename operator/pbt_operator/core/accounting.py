"""Counts over the whole life of a population: births, exploits, and the steps that were kept or thrown away.

It needs no more of a record than its step, so that names alone bring it up to date after a restart.
"""

from dataclasses import dataclass
from typing import NamedTuple

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.core.takeovers import DECIDED, TakeoverCount


@dataclass(frozen=True, slots=True)
class Span:
    """How far one incarnation came, and how much of it counts."""

    start: int
    counted: int
    reached: int


class _Born(NamedTuple):
    """What of a birth says which steps count: tens of thousands of them are kept."""

    start_step: int
    previous_step: int
    resumes: bool


class Ledger:
    """Every birth and how far it came.

    Attributes:
        takeovers: how processes came to the births that rounds decided.
    """

    def __init__(self) -> None:
        self.takeovers = TakeoverCount()
        self.num_births = self.num_exploits = 0
        self.productive = self.discarded = 0
        self._births: dict[int, dict[int, _Born]] = {}
        self._reached: dict[Life, int] = {}
        self._steps: dict[int, tuple[int, int]] = {}

    def add_birth(self, birth: Birth) -> None:
        """Learns of a birth, in any order, any number of times."""
        known = self._births.setdefault(birth.member, {})
        if birth.incarnation in known:
            return
        known[birth.incarnation] = _Born(birth.start_step, birth.previous_step, birth.cause.resumes)
        self.num_births += not birth.cause.closes
        self.num_exploits += birth.cause in DECIDED
        self.takeovers.add_birth(birth)
        self._recount(birth.member)

    def add_record(self, member: int, incarnation: int, step: int) -> None:
        """Learns that an incarnation recorded `step`."""
        if step > self._reached.get(Life(member, incarnation), -1):
            self._reached[Life(member, incarnation)] = step
            self._recount(member)

    def spans(self, member: int) -> dict[int, Span]:
        """By incarnation, how far it came. What lies past the step at which it was closed doesn't count."""
        spans: dict[int, Span] = {}
        limit: int | None = None  # up to where the records of the incarnation before count
        for incarnation, birth in sorted(self._births.get(member, {}).items(), reverse=True):
            reached = self._reached.get(Life(member, incarnation), birth.start_step)
            counted = reached if limit is None else max(birth.start_step, min(reached, limit))
            spans[incarnation] = Span(start=birth.start_step, counted=counted, reached=reached)
            # A decision closes the line before it; a resume passes on what closed the line that it goes on with.
            passed_on = limit if birth.resumes and limit is not None else birth.previous_step
            limit = min(passed_on, birth.previous_step)
        return spans

    def _recount(self, member: int) -> None:
        before = self._steps.get(member, (0, 0))
        spans = self.spans(member).values()
        after = (sum(s.counted - s.start for s in spans), sum(s.reached - s.counted for s in spans))
        self._steps[member] = after
        self.productive += after[0] - before[0]
        self.discarded += after[1] - before[1]
