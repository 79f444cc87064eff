"""A whole number that is uniform."""

from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from pbt_contract.records import Value
from pbt_operator.core.distributions.bounds import RANGE, check_range
from pbt_operator.core.distributions.distribution import Distribution
from pbt_operator.core.distributions.exact import fold
from pbt_operator.core.wire import MAX_WHOLE, Whole


class Integer(Distribution):
    """A whole number that is uniform between two bounds, both included, such as a number of layers."""

    min: Whole = Field(ge=-MAX_WHOLE, le=MAX_WHOLE, description="The smallest value.")
    max: Whole = Field(ge=-MAX_WHOLE, le=MAX_WHOLE, description="The largest value. Above `min`.")

    cel: ClassVar = (RANGE,)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        check_range(self.min, self.max)
        return self

    def sample(self, rng: Random) -> int:
        """Draws a value."""
        return rng.randint(self.min, self.max)

    def contains(self, value: Value) -> bool:
        """Whether `value` is an integer, which a bool is not, within the bounds."""
        return type(value) is int and self.min <= value <= self.max

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[int, str]:
        """Multiplies by a drawn factor, rounds and folds back at the bounds; if that is no move, by one."""
        assert isinstance(value, int)
        if self.min == self.max:
            return value, "kept"
        factor = rng.choice(factors)
        product = value * Fraction(factor)
        result, word = round(product), f"x{factor:g}"
        if not self.min <= result <= self.max:
            result = int(fold(Fraction(result), self.min, self.max))
            word += ", reflected"
        if result != value:
            return result, word
        upwards = product > value or (product == value and factor > 1)
        if value == (self.max if upwards else self.min):
            upwards = not upwards
        return (value + 1, "+1") if upwards else (value - 1, "-1")

    @property
    def has_places(self) -> bool:
        """All do."""
        return True

    def place(self, value: Value) -> float:
        """Its share of the range. See `Distribution.place`."""
        assert isinstance(value, int)
        return (value - self.min) / max(1, self.max - self.min)

    def at(self, place: float) -> int:
        """The whole number nearest to there. See `Distribution.at`."""
        return min(self.min + round(place * (self.max - self.min)), self.max)

    def nearest(self, place: float) -> float:
        """Of that number. See `Distribution.nearest`."""
        return self.place(self.at(place))

    def admit(self, value: Value) -> int:
        """A given integer. See `Distribution.admit`."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.min <= value <= self.max:
            raise ValueError(f"should be a whole number from {self.min} to {self.max}")
        return value

    def axis(self) -> dict[str, Any]:
        """Of whole numbers. See `Distribution.axis`."""
        return {"kind": "integer", "min": self.min, "max": self.max}
