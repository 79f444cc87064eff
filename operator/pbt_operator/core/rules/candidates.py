"""Where a model may look for a newborn's hyperparameters: half of the candidates anywhere, half around what it copied.

Nothing but drawn numbers and sums, so they are the same bits on every machine.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from pbt_contract.records import Value
from pbt_operator.core.distributions import Distribution
from pbt_operator.core.rules.gaussian_process import Point
from pbt_operator.core.search import Hyperparameter

NUMBER = 300
AROUND = 0.4
"""The sum of three draws varies by half a unit: candidates around a value vary by 0.2 of its range."""


class Modelled(NamedTuple):
    """The explored hyperparameters that a model knows.

    Attributes:
        numbers: those whose values have a place.
        choices: those without an order.
    """

    numbers: Sequence[Hyperparameter]
    choices: Sequence[Hyperparameter]

    @property
    def all(self) -> list[Hyperparameter]:
        """Numbers first."""
        return [*self.numbers, *self.choices]

    def point(self, number: int, values: Mapping[str, Value]) -> Point:
        """Where values stand in a round."""
        return Point(
            number,
            tuple(h.space.place(values[h.name]) for h in self.numbers),
            tuple(_index(h.space, values[h.name]) for h in self.choices),
        )

    def values(self, point: Point) -> dict[str, Value]:
        """The values that stand there."""
        found = {h.name: h.space.at(place) for h, place in zip(self.numbers, point.places, strict=True)}
        for h, index in zip(self.choices, point.options, strict=True):
            assert h.space.options is not None
            found[h.name] = h.space.options[index]
        return found


def modelled(space: Sequence[Hyperparameter]) -> Modelled:
    """What a model can know of a space; the rest is for moves that need none."""
    explored = [h for h in space if h.explored]
    return Modelled(
        [h for h in explored if h.space.has_places], [h for h in explored if h.space.options is not None]
    )


def candidates(
    known: Modelled, copied: Mapping[str, Value], *, number: int, rng: Random, most: int = NUMBER
) -> list[Point]:
    """Draws where to look.

    Args:
        known: the space.
        copied: what half of them lie around; where a value is missing, they lie anywhere.
        number: the round in which they would gain something.
        rng: what is drawn from.
        most: how many.
    """
    here = [h.space.place(copied[h.name]) if h.name in copied else None for h in known.numbers]
    this = [_index(h.space, copied[h.name]) if h.name in copied else None for h in known.choices]
    found = []
    for which in range(most):
        places = [
            h.space.nearest(rng.random() if place is None or 2 * which < most else _near(place, rng))
            for h, place in zip(known.numbers, here, strict=True)
        ]
        options = [
            index if index is not None and rng.random() < 0.5 else rng.randrange(len(h.space.options or ()))
            for h, index in zip(known.choices, this, strict=True)
        ]
        found.append(Point(number, tuple(places), tuple(options)))
    return found


def _near(place: float, rng: Random) -> float:
    moved = place + AROUND * (rng.random() + rng.random() + rng.random() - 1.5)
    return min(max(moved, 0.0), 1.0)


def _index(space: Distribution, value: Value) -> int:
    assert space.options is not None
    return [(type(option), option) for option in space.options].index((type(value), value))
