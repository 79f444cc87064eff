"""Sub-populations: parts of a population that replace their losers at paces of their own, and migrate between them.

After Multiple-Frequencies PBT (Doulazmi et al. 2025, arXiv 2506.03225). A part that decides often adapts fast and is
greedy, one that decides seldom lets a choice show what it is worth in the long run; each is ranked within itself.
Which part a member belongs to is in its births. How the parts stand, a round's record says; so all of it follows from
records, where rounds are skipped, totalSteps is raised or parts are merged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from pbt_contract.records import Birth
from pbt_operator.core.horizon import following, num_replacing_rounds, replacing_rounds
from pbt_operator.core.round_record import Round, Turn
from pbt_operator.core.search import Schedule

MIN_MEMBERS = 4
"""Fewer can't form the brackets: the best, the worst, and those that migrate."""


@dataclass(frozen=True, slots=True)
class SubPopulation:
    """When the losers of one part are replaced.

    Attributes:
        every_rounds: at each multiple of so many rounds; None where a horizon says when.
        horizon_percent: again after this share of the rounds that are left; 0: in every round.
    """

    every_rounds: int | None = None
    horizon_percent: int = 0

    def __str__(self) -> str:
        if self.every_rounds is None:
            return f"horizonPercent {self.horizon_percent}"
        return f"everyRounds {self.every_rounds}"

    def following(self, number: int, schedule: Schedule) -> int:
        """The round in which they are replaced next after round `number`; 0 is the start."""
        if self.every_rounds is None:
            return following(number, self.horizon_percent, schedule)
        return (number // self.every_rounds + 1) * self.every_rounds


def rounds_of(pace: SubPopulation, schedule: Schedule) -> Sequence[int]:
    """All rounds in which losers are replaced at a pace, where none is skipped."""
    if pace.every_rounds is None:
        return replacing_rounds(pace.horizon_percent, schedule)
    first, every = schedule.burn_in_steps // schedule.interval_steps, pace.every_rounds
    return range((first // every + 1) * every, schedule.last_round, every)


def num_rounds_of(pace: SubPopulation, schedule: Schedule) -> int:
    """How many they are."""
    if pace.every_rounds is None:
        return num_replacing_rounds(pace.horizon_percent, schedule)
    return len(rounds_of(pace, schedule))


def planned(newest: Round | None, parts: Sequence[SubPopulation], schedule: Schedule) -> list[Turn]:
    """How the parts stand after the newest decided round, as the next one begins with it.

    Args:
        newest: that round; None before the first. If it knew of no parts, their plan starts with it.
        parts: of the spec in force.
        schedule: of the same.
    """
    before = UNSET if newest is None else newest.sub_populations
    number = 0 if newest is None else newest.number
    if before is UNSET or len(before) != len(parts):
        return [Turn(since=number, due=part.following(number, schedule)) for part in parts]
    return [
        Turn(since=number, due=part.following(number, schedule), into=turn.into)
        if turn.decides
        else Turn(since=turn.since, due=turn.due, into=turn.into)
        for part, turn in zip(parts, before, strict=True)
    ]


def span(turn: Turn, number: int) -> int:
    """Over how many rounds a part's members are judged in round `number`: the longer, the slower the part."""
    return max(turn.due, number) - turn.since


def belongs(birth: Birth, turns: Sequence[Turn]) -> int:
    """The part that a member belongs to, by its birth and by what has been merged since.

    Args:
        birth: its newest one. One without a part is from before there were any.
        turns: of all parts, the merged ones included.
    """
    number = birth.member % len(turns) if birth.sub_population is UNSET else birth.sub_population % len(turns)
    return settled_in(number, turns)


def settled_in(number: int, turns: Sequence[Turn]) -> int:
    """The part that part `number` is by now."""
    for _ in turns:  # no longer way than that, and none back: a record may say anything
        into = turns[number].into
        if into is UNSET or not into < len(turns):
            break
        number = into
    return number


def merged(turns: Sequence[Turn], sizes: Sequence[int], *, number: int) -> list[Turn]:
    """The parts in round `number`, those of too few members merged into the next slower one.

    The slowest, which has no slower one, goes into the next faster one. The last one that is left stays.

    Args:
        turns: as they were planned.
        sizes: by part, how many of its members live.
        number: of the round.
    """
    found, left = list(turns), list(sizes)
    while True:
        alive = sorted(
            (each for each, turn in enumerate(found) if turn.into is UNSET),
            key=lambda each: (span(found[each], number), each),
        )
        small = next((each for each in alive if left[each] < MIN_MEMBERS), None)
        if small is None or len(alive) < 2:
            return found
        place = alive.index(small)
        into = alive[place + 1] if place + 1 < len(alive) else alive[place - 1]
        turn = found[small]
        found[small] = Turn(since=turn.since, due=turn.due, into=into)
        left[into] += left[small]


def smallest(sizes: Iterable[int], turns: Sequence[Turn]) -> int:
    """The part that a newcomer joins; of equal ones the first."""
    alive = ((size, each) for each, size in enumerate(sizes) if not turns or turns[each].into is UNSET)
    return min(alive)[1]
