"""Arithmetic that gives the same bits on every machine.

Moves fold back at the bounds in rational arithmetic. Logarithms come from `decimal`, which rounds correctly; those of
`math` may differ in the last bit from machine to machine, and decisions must not.
"""

import decimal
from fractions import Fraction
from functools import lru_cache
from random import Random

_PRECISION = decimal.Context(prec=25)


def between(low: float, high: float, rng: Random) -> float:
    """Draws a number between the two."""
    share = rng.random()
    return low * (1 - share) + high * share  # the difference of the bounds may be infinite


def fold(x: Fraction, low: float, high: float) -> Fraction:
    """Reflects `x` at both bounds as often as it takes, in one step."""
    start, width = Fraction(low), Fraction(high) - Fraction(low)
    if not width:
        return start
    offset = (x - start) % (2 * width)
    return start + min(offset, 2 * width - offset)


@lru_cache(maxsize=256)  # the bounds are asked for again and again
def log(x: float) -> float:
    """The natural logarithm."""
    return float(decimal.Decimal(x).ln(_PRECISION))


def exp(x: float) -> float:
    """The inverse of `log`."""
    return float(decimal.Decimal(x).exp(_PRECISION))
