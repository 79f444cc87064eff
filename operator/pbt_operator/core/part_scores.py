"""The scores of sub-populations, round by round."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET

from pbt_operator.core.round_record import Round
from pbt_operator.core.search import Objective


class PartScore(NamedTuple):
    """The best score of one sub-population in one round.

    Attributes:
        part: its number.
        step: of the round.
    """

    part: int
    step: int
    score: float


def part_scores(rounds: Iterable[Round], objective: Objective) -> list[PartScore]:
    """By round, then by sub-population; one without a finite score in a round isn't among them."""
    found: list[PartScore] = []
    for decided in rounds:
        best: dict[int, float] = {}
        for entry in decided.entries:
            part = entry.sub_population
            if part is UNSET or entry.score is None:
                continue
            best[part] = max(best.get(part, entry.score), entry.score, key=objective.utility)
        found += [PartScore(part, decided.step, best[part]) for part in sorted(best)]
    return found
