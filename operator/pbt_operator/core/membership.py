"""Which sub-population a member belongs to, and how many of each live."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from pbt_operator.core.history import History
from pbt_operator.core.round_record import Turn
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import belongs, planned, smallest


def part_of(history: History, spec: Spec, member: int) -> int | UnsetType:
    """The sub-population that a member is born into: the one it was born into before, or else the smallest.

    Newcomers are spread in the order of their numbers, so that it doesn't matter who is born first.
    """
    previous = history.newest_birth(member)
    if previous is not None or not spec.sub_populations:
        return UNSET if previous is None else previous.sub_population
    turns = planned(history.newest_round, spec.sub_populations, spec.schedule)
    sizes = sizes_of(history, spec, turns)
    for newcomer in range(member):
        if history.newest_birth(newcomer) is None:
            sizes[smallest(sizes, turns)] += 1
    return smallest(sizes, turns)


def sizes_of(history: History, spec: Spec, turns: Sequence[Turn]) -> list[int]:
    """How many members of each sub-population live: those whose lines are open."""
    sizes = [0] * len(turns)
    for member in range(spec.members):
        birth = history.newest_birth(member)
        if birth is not None and not birth.cause.closes:
            sizes[belongs(birth, turns)] += 1
    return sizes
