"""A number whose logarithm is uniform."""

from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pbt_contract.records import Value
from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.distributions.bounds import RANGE, check_range, is_number, share_of, within
from pbt_operator.core.distributions.distribution import Distribution
from pbt_operator.core.distributions.exact import between, exp, fold, log
from pbt_operator.core.wire import MAX_REAL, Real, broken
from pbt_operator.core.wording import shown


class LogUniform(Distribution):
    """A number that is log-uniform between two bounds: for what matters in ratios, such as learning rates."""

    min: Real = Field(
        ge=-MAX_REAL,
        le=MAX_REAL,
        description="The smallest value. Above 0, unless `of` is OneMinus. Example: 1.0e-4.",
    )
    max: Real = Field(
        ge=-MAX_REAL,
        le=MAX_REAL,
        description="The largest value. Above `min`, and below 1 if `of` is OneMinus.",
    )
    of: Literal["Value", "OneMinus"] = Field(
        default="Value",
        description="What is log-uniform and perturbed: the value itself, or 1 minus the value. OneMinus is for "
        "momentum, discounts and the like only where their plausible range lies near 1, such as 0.9 to 0.999.",
    )

    cel: ClassVar = (
        RANGE,
        CelRule(
            "self.of != 'Value' || self.min > 0.0",
            "is {self.min}; should be above 0, for its logarithm is drawn",
            field="min",
        ),
        CelRule(
            "self.of != 'OneMinus' || self.max < 1.0",
            "is {self.max}; should be below 1, for the logarithm of 1 minus it is drawn",
            field="max",
        ),
    )

    @model_validator(mode="after")
    def _has_a_logarithm(self) -> Self:
        check_range(self.min, self.max)
        if self.of == "Value" and self.min <= 0:
            raise broken((("min",), f"is {shown(self.min)}; should be above 0, for its logarithm is drawn"))
        if self.of == "OneMinus" and self.max >= 1:
            told = f"is {shown(self.max)}; should be below 1, for the logarithm of 1 minus it is drawn"
            raise broken((("max",), told))
        return self

    def sample(self, rng: Random) -> float:
        """Draws a value."""
        return self._outer(exp(between(*self._log_bounds(), rng)))

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number within the bounds."""
        return is_number(value) and self.min <= value <= self.max

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[float, str]:
        """Multiplies by a drawn factor, folding back at the bounds in log space."""
        factor = rng.choice(factors)
        word = f"x{factor:g}{' of 1-x' if self.of == 'OneMinus' else ''}"
        low, high = self._inner_bounds()
        inner = self._inner(float(value))
        moved = inner * factor
        if not low <= moved <= high:
            moved = exp(float(fold(Fraction(log(inner)) + Fraction(log(factor)), *self._log_bounds())))
            word += ", reflected"
        result = self._outer(moved)
        return result, "kept" if result == value else word

    @property
    def log_width(self) -> float:
        """Of the value, or of 1 minus it."""
        low, high = self._log_bounds()
        return high - low

    def reach(self, value: Value, rng: Random, percent: int) -> tuple[float, str]:
        """Goes up or down by so many percent of the range's logarithm, folding back at the bounds."""
        low, high = self._log_bounds()
        length = (Fraction(high) - Fraction(low)) * percent / 100 * rng.choice((-1, 1))
        moved = Fraction(log(self._inner(float(value)))) + length
        word = f"x{exp(float(length)):.3g}{' of 1-x' if self.of == 'OneMinus' else ''}"
        if not low <= moved <= high:
            moved = fold(moved, low, high)
            word += ", reflected"
        result = self._outer(exp(float(moved)))
        return result, "kept" if result == value else word

    @property
    def has_places(self) -> bool:
        """All do."""
        return True

    def place(self, value: Value) -> float:
        """Its share of the range's logarithm. See `Distribution.place`."""
        return share_of(log(self._inner(float(value))), *self._log_bounds())

    def at(self, place: float) -> float:
        """The number there. See `Distribution.at`."""
        low, high = self._log_bounds()
        return self._outer(exp(low * (1 - place) + high * place))

    def admit(self, value: Value) -> float:
        """A given value as a float. See `Distribution.admit`."""
        return within(value, self.min, self.max)

    def typed(self, value: Value) -> float:
        """A value of this space as a float."""
        return float(value)

    def axis(self) -> dict[str, Any]:
        """Logarithmic, of the value or of 1 minus it. See `Distribution.axis`."""
        return {"kind": "oneMinus" if self.of == "OneMinus" else "log", "min": self.min, "max": self.max}

    def _inner_bounds(self) -> tuple[float, float]:
        low, high = self._inner(self.min), self._inner(self.max)
        return (high, low) if self.of == "OneMinus" else (low, high)

    def _log_bounds(self) -> tuple[float, float]:
        low, high = self._inner_bounds()
        return log(low), log(high)

    def _inner(self, value: float) -> float:
        return 1 - value if self.of == "OneMinus" else value

    def _outer(self, inner: float) -> float:
        return float(min(max(self._inner(inner), self.min), self.max))
