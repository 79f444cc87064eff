"""When losers are replaced again: after a share of the rounds that are left.

A rule that decides in every round follows what pays off within one interval: it lowers learning rates, exploration and
regularisation too early, and ends below members that copy nobody (Wu et al. 2018, "Understanding short-horizon bias").
With a horizon a choice has time to show what it is worth. At 20 % of 50 rounds losers are replaced in the rounds
10, 18, 25, 30, 34, 38, 41, 43, 45 and each one after it.

The plan follows from the newest decided round and the spec alone, so it holds where rounds are skipped, totalSteps is
raised or the percentage changes.
"""

from collections.abc import Iterator
from itertools import islice

from msgspec import UNSET

from pbt_operator.core.round_record import Round
from pbt_operator.core.search import Schedule


def following(number: int, percent: int, schedule: Schedule) -> int:
    """The round in which losers are replaced next after they were in round `number`; 0 is the start.

    Args:
        number: the round.
        percent: of the rounds that are left after it; with 0 it is the next one.
        schedule: says how many there are.
    """
    left = max(0, schedule.last_round - number)
    return number + max(1, -(-percent * left // 100))


def due(newest: Round | None, percent: int, schedule: Schedule) -> int:
    """From which round on losers are replaced again, as it is planned after the newest decided round.

    Args:
        newest: that round; None before the first. If it was planned without a horizon, the plan starts with it.
        percent: the horizon.
        schedule: of the spec in force.
    """
    if newest is None:
        return following(0, percent, schedule)
    if percent == 0 or newest.due is UNSET or newest.number >= newest.due:
        return following(newest.number, percent, schedule)
    return newest.due


def replacing_rounds(percent: int, schedule: Schedule) -> list[int]:
    """All rounds in which losers are replaced where none is skipped."""
    return list(_replacing(percent, schedule))


def num_replacing_rounds(percent: int, schedule: Schedule) -> int:
    """How many they are. With a horizon few are looked at; without one there may be ten million."""
    if percent:
        return len(replacing_rounds(percent, schedule))
    return max(0, schedule.last_round - 1 - schedule.burn_in_steps // schedule.interval_steps)


def replaces_often(times: int, percent: int, schedule: Schedule) -> bool:
    """Whether there are so many of these rounds: the rest, which may be long, isn't counted."""
    return len(list(islice(_replacing(percent, schedule), times))) == times


def _replacing(percent: int, schedule: Schedule) -> Iterator[int]:
    number = following(0, percent, schedule)
    while number < schedule.last_round:
        if schedule.decides(number):
            yield number
        number = following(number, percent, schedule)
