"""Metrics on the wire. JSON has no NaN and no infinities: they travel as the strings of `NOT_FINITE`."""

import math
from collections.abc import Mapping, Sequence

Score = float | str
"""A number, or one of `NOT_FINITE`."""

NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})


def wire_metrics(metrics: Mapping[str, float | Sequence[float]]) -> dict[str, Score | list[Score]]:
    """Metrics as JSON can hold them."""
    return {
        name: [_wire(item) for item in value] if isinstance(value, Sequence) else _wire(value)
        for name, value in metrics.items()
    }


def is_score(value: Score) -> bool:
    """Whether a value read from JSON is a number, or stands for one that JSON can't hold."""
    return not isinstance(value, str) or value in NOT_FINITE


def _wire(value: float) -> Score:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
