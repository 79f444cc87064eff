"""Diversity: how many of the starts are still alive after each round.

Exploits copy weights, so the members of a population descend from ever fewer of those that it began with. Once one
start has taken over, nothing but hyperparameters differs any more. Early in a run that is a sign of greed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pbt_contract.keys import Life
from pbt_operator.core.round_record import Round
from pbt_operator.core.search import Schedule

EARLY = 5
"""One start that has taken over in the first of so many parts of a run is told as a warning."""


class Diversity(NamedTuple):
    """What the members that a round compared descend from, as they go on after it.

    Attributes:
        number: of the round.
        step: of the same.
        members: how many it compared.
        ancestors: how many different first ancestors they have.
        largest: how many members descend from the one with the most.
    """

    number: int
    step: int
    members: int
    ancestors: int
    largest: int


def diversity(rounds: Iterable[Round], ancestor: Callable[[Life], Life | None]) -> list[Diversity]:
    """The diversity after each round.

    Args:
        rounds: decided ones, ascending.
        ancestor: the life that a life's weights come from in the end; None where the chain of births is broken: then
            its member isn't counted.
    """
    return [found for decided in rounds if (found := _after(decided, ancestor)) is not None]


def _after(decided: Round, ancestor: Callable[[Life], Life | None]) -> Diversity | None:
    decisions = {decision.member: decision for decision in decided.decisions}
    starts: Counter[Life] = Counter()
    for entry in decided.entries:
        decision = decisions.get(entry.member)
        if decision is None:
            start = ancestor(entry.life)
        elif decision.source is None:  # sampled anew: a start of its own
            start = Life(entry.member, entry.incarnation + 1)
        else:
            start = ancestor(decision.source.life)
        if start is not None:
            starts[start] += 1
    if not starts:
        return None
    return Diversity(decided.number, decided.step, starts.total(), len(starts), max(starts.values()))


def taken_over(found: Sequence[Diversity], schedule: Schedule) -> Diversity | None:
    """The round after which all members descend from one start for the first time, if that is early in the run."""
    for after in found:
        if after.step * EARLY > schedule.total_steps:
            return None
        if after.ancestors == 1 and after.members > 1:
            return after
    return None
