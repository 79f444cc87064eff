"""The spaces of hyperparameters: what a value may be, how one is drawn, and how explore moves one.

Whoever reads a manifest checks what is assumed here: `min <= max`; `0 < min` for log-uniform, `max < 1` with
`one_minus`; factors above 0; at least one choice. Only what a space contains is perturbed, and then it never
leaves, for moves fold back at the bounds in rational arithmetic. Logarithms come from `decimal`, which rounds
correctly; those of `math` may differ in the last bit from machine to machine, and decisions must not.
"""

import decimal
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import TypeGuard

from pbt_contract.records import Value

_PRECISION = decimal.Context(prec=25)
_SHIFT = Fraction(1, 5)


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A float whose logarithm is uniform; with `one_minus` that of 1 - x. `min` and `max` are those of x."""

    min: float
    max: float
    one_minus: bool = False

    def sample(self, rng: Random) -> float:
        """Draws a value."""
        low, high = map(_log, self._inner_bounds)
        return self._outer(_exp(_between(low, high, rng)))

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number within the bounds."""
        return _is_number(value) and self.min <= value <= self.max

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[float, str]:
        """Multiplies by a drawn factor, folding back at the bounds in log space."""
        factor = rng.choice(factors)
        word = f"x{factor:g}{' of 1-x' if self.one_minus else ''}"
        low, high = self._inner_bounds
        inner = self._inner(float(value))
        moved = inner * factor
        if not low <= moved <= high:
            moved = _exp(float(_fold(Fraction(_log(inner)) + Fraction(_log(factor)), _log(low), _log(high))))
            word += ", reflected"
        result = self._outer(moved)
        return result, "kept" if result == value else word

    @property
    def _inner_bounds(self) -> tuple[float, float]:
        low, high = self._inner(self.min), self._inner(self.max)
        return (high, low) if self.one_minus else (low, high)

    def _inner(self, value: float) -> float:
        return 1 - value if self.one_minus else value

    def _outer(self, inner: float) -> float:
        return float(min(max(self._inner(inner), self.min), self.max))


@dataclass(frozen=True, slots=True)
class Uniform:
    """A float."""

    min: float
    max: float

    def sample(self, rng: Random) -> float:
        """Draws a value."""
        return float(min(max(_between(self.min, self.max, rng), self.min), self.max))

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number within the bounds."""
        return _is_number(value) and self.min <= value <= self.max

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
            word += ", reflected"
        result = float(_fold(moved, self.min, self.max))
        return result, "kept" if result == value else word


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer."""

    min: int
    max: int

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
        result = int(_fold(Fraction(round(product)), self.min, self.max))
        if result != value:
            reflected = not self.min <= round(product) <= self.max
            return result, f"x{factor:g}{', reflected' if reflected else ''}"
        upwards = product > value or (product == value and factor > 1)
        if value == (self.max if upwards else self.min):
            upwards = not upwards
        return (value + 1, "+1") if upwards else (value - 1, "-1")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some scalars; `ordered` if neighbours are alike."""

    values: tuple[Value, ...]
    ordered: bool

    def sample(self, rng: Random) -> Value:
        """Draws a value."""
        return rng.choice(self.values)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of them, of the same type: True is not 1."""
        return self._key(value) in map(self._key, self.values)

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[Value, str]:  # noqa: ARG002
        """Goes to a neighbour, inwards from an end; without an order it stays."""
        if not self.ordered or len(self.values) == 1:
            return value, "kept"
        here = list(map(self._key, self.values)).index(self._key(value))
        there = here + rng.choice((-1, 1))
        if not 0 <= there < len(self.values):
            there = 2 * here - there
        return self.values[there], "next" if there > here else "previous"

    @staticmethod
    def _key(value: Value) -> tuple[type, Value]:
        return type(value), value


Space = LogUniform | Uniform | Integer | Choice


def _is_number(value: Value) -> TypeGuard[float]:
    """Integers as well, for manifests and many writers of JSON drop the point of 1.0."""
    return type(value) in {int, float}


def _between(low: float, high: float, rng: Random) -> float:
    share = rng.random()
    return low * (1 - share) + high * share  # the difference of the bounds may be infinite


def _fold(x: Fraction, low: float, high: float) -> Fraction:
    """Reflects `x` at both bounds as often as it takes, in one step."""
    start, width = Fraction(low), Fraction(high) - Fraction(low)
    if not width:
        return start
    offset = (x - start) % (2 * width)
    return start + min(offset, 2 * width - offset)


def _log(x: float) -> float:
    return float(decimal.Decimal(x).ln(_PRECISION))


def _exp(x: float) -> float:
    return float(decimal.Decimal(x).exp(_PRECISION))
