"""Welch's t-test of two lists of evaluations.

Not scipy's, which for this one number would double the operator's image and make decisions depend on its
version.
"""

import math
from collections.abc import Sequence


def welch(better: Sequence[float], worse: Sequence[float]) -> float:
    """How probable such lists would be if the mean of `better` were not greater: the one-sided p-value.

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947).

    Args:
        better: finite values.
        worse: finite values.

    Returns:
        1 where a list has fewer than two values. Where neither list varies, 0 if `better` is greater, else 1.
    """
    if min(len(better), len(worse)) < 2:
        return 1.0
    scale = max(map(abs, [*better, *worse])) or 1.0  # changes nothing, but squares can't overflow
    mean, error = _mean_and_error([value / scale for value in better])
    other_mean, other_error = _mean_and_error([value / scale for value in worse])
    total_error = error + other_error
    if not total_error:
        return 0.0 if mean > other_mean else 1.0
    t = (mean - other_mean) / math.sqrt(total_error)
    share = error / total_error
    freedom = 1 / (share**2 / (len(better) - 1) + (1 - share) ** 2 / (len(worse) - 1))
    return _t_tail(t, freedom)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its squared standard error; relative to the first value, so that equal ones have none."""
    offsets = [value - values[0] for value in values]
    mean = math.fsum(offsets) / len(values)
    variance = math.fsum((offset - mean) * (offset - mean) for offset in offsets) / (len(values) - 1)
    return values[0] + mean, variance / len(values)


def _t_tail(t: float, freedom: float) -> float:
    """P(T > t) of Student's distribution."""
    square = t * t
    rest = 1 / (1 + freedom / square) if square else 0.0  # not 1 - x: few digits are left where t is small
    both_tails = _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square), rest)
    return both_tails / 2 if t > 0 else 1 - both_tails / 2


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b); `rest` is 1 - x.

    Source: NIST Digital Library of Mathematical Functions, 8.17.4 and 8.17.22.
    """
    if not x or not rest:
        return 1.0 if x else 0.0
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log(rest) - log_beta)
    if x < (a + 1) / (a + b + 2):  # there the fraction converges fast
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, rest) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of DLMF 8.17.22, by the modified Lentz algorithm.

    Source: I. J. Thompson and A. R. Barnett, "Coulomb and Bessel functions of complex arguments and order",
    J. Comput. Phys. 64 (1986).
    """
    tiny = 1e-300  # in the place of a zero that would be divided by
    value, numerator, denominator = 1.0, 1.0, 0.0
    for n in range(1, 10_000):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + n - 1) * (a + n))
        else:
            term = m * (b - m) * x / ((a + n - 1) * (a + n))
        denominator = 1 / ((1 + term * denominator) or tiny)
        numerator = (1 + term / numerator) or tiny
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return 1 / value
