"""What the distributions between two bounds share: the check of the bounds and of a value between them."""

from typing import TypeGuard

from pbt_contract.records import Value
from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.wire import broken
from pbt_operator.core.wording import shown

RANGE = CelRule(
    "self.min < self.max", "is {self.min}; should be smaller than max, which is {self.max}", field="min"
)


def check_range(low: float, high: float) -> None:
    """Makes sure that `min` is below `max`.

    Raises:
        PydanticCustomError: it isn't.
    """
    if low >= high:
        relation = "the same as" if low == high else "above"
        raise broken((("min",), f"is {shown(low)}, {relation} max {shown(high)}; should be smaller than max"))


def is_number(value: Value) -> TypeGuard[float]:
    """Integers as well, for manifests and many writers of JSON drop the point of 1.0."""
    return type(value) in {int, float}


def share_of(value: float, low: float, high: float) -> float:
    """Which share of a range lies below a value; 0 where the range is a point."""
    width = high / 2 - low / 2  # that of the whole may be infinite
    return min(max((value / 2 - low / 2) / width, 0.0), 1.0) if width else 0.0


def within(value: Value, low: float, high: float) -> float:
    """A given number as a float.

    Raises:
        ValueError: it isn't between the bounds.
    """
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"should be a number from {shown(low)} to {shown(high)}")
    return float(value)
