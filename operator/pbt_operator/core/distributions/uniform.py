"""A number that is uniform."""

from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from pbt_contract.records import Value
from pbt_operator.core.distributions.bounds import RANGE, check_range, is_number, share_of, within
from pbt_operator.core.distributions.distribution import Distribution
from pbt_operator.core.distributions.exact import between, fold
from pbt_operator.core.wire import MAX_REAL, Real

_SHIFT = Fraction(1, 5)


class Uniform(Distribution):
    """A number that is uniform between two bounds, such as a dropout rate.

    Explore multiplies it; where 0 is one of the bounds or between them, it moves by 20 % of the range.
    """

    min: Real = Field(ge=-MAX_REAL, le=MAX_REAL, description="The smallest value.")
    max: Real = Field(ge=-MAX_REAL, le=MAX_REAL, description="The largest value. Above `min`.")

    cel: ClassVar = (RANGE,)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        check_range(self.min, self.max)
        return self

    def sample(self, rng: Random) -> float:
        """Draws a value."""
        return float(min(max(between(self.min, self.max, rng), self.min), self.max))

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number within the bounds."""
        return is_number(value) and self.min <= value <= self.max

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[float, str]:
        """Multiplies by a drawn factor, folding back at the bounds.

        Where the range contains 0, which no factor leaves or passes, by 20 % of the range instead.
        """
        if self.min <= 0 <= self.max:
            sign = rng.choice((-1, 1))
            moved = Fraction(value) + sign * _SHIFT * (Fraction(self.max) - Fraction(self.min))
            word = f"{'+' if sign > 0 else '-'}{100 * _SHIFT} %"
        else:
            factor = rng.choice(factors)
            moved = Fraction(value) * Fraction(factor)
            word = f"x{factor:g}"
        if not self.min <= moved <= self.max:
            moved = fold(moved, self.min, self.max)
            word += ", reflected"
        result = float(moved)
        return result, "kept" if result == value else word

    @property
    def has_places(self) -> bool:
        """All do."""
        return True

    def place(self, value: Value) -> float:
        """Its share of the range. See `Distribution.place`."""
        return share_of(float(value), self.min, self.max)

    def at(self, place: float) -> float:
        """The number there. See `Distribution.at`."""
        return float(min(max(self.min * (1 - place) + self.max * place, self.min), self.max))

    def admit(self, value: Value) -> float:
        """A given value as a float. See `Distribution.admit`."""
        return within(value, self.min, self.max)

    def typed(self, value: Value) -> float:
        """A value of this space as a float."""
        return float(value)

    def axis(self) -> dict[str, Any]:
        """Linear. See `Distribution.axis`."""
        return {"kind": "linear", "min": self.min, "max": self.max}
