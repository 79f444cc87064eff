"""The order of a round's members."""

from collections.abc import Iterable
from itertools import groupby

from pbt_operator.core.chance import chance
from pbt_operator.core.round_record import Entry
from pbt_operator.core.search import Objective


def rank(entries: Iterable[Entry], *, objective: Objective, seed: int, round_number: int) -> list[Entry]:
    """Sorts the best first and those without a finite score last; ties by a seeded draw, never by number."""

    def place(entry: Entry) -> tuple[bool, float]:
        return entry.score is None, 0 if entry.score is None else -objective.utility(entry.score)

    def tie(entry: Entry) -> float:
        return chance(seed, round_number, entry.member, "tie").random()

    ranked: list[Entry] = []
    for _, group in groupby(sorted(entries, key=place), key=place):
        equals = list(group)
        # A draw costs more than all else here, and few scores are equal.
        ranked += sorted(equals, key=tie) if len(equals) > 1 else equals
    return ranked
