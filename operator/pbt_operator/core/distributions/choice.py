"""One of some scalars."""

from random import Random
from typing import Any, Literal

from pydantic import Field, field_validator

from pbt_contract.records import Value
from pbt_operator.core.distributions.bounds import is_number
from pbt_operator.core.distributions.distribution import Distribution
from pbt_operator.core.wire import Scalar, broken
from pbt_operator.core.wording import any_of, shown


class Choice(Distribution):
    """One of several given values, such as the name of an optimizer."""

    values: tuple[Scalar, ...] = Field(
        min_length=2,
        max_length=256,
        description="Numbers, texts, true or false, all different. If one number has a fraction, "
        "all numbers reach the trainer as floats. Example: [sgd, adamw].",
    )
    order: Literal["Ordered", "Unordered"] | None = Field(
        default=None,
        description="With Ordered, explore goes to a neighbour in the list. With Unordered, it keeps the value "
        "unless it resamples. Default: Ordered if all values are numbers, else Unordered.",
    )

    @field_validator("values")
    @classmethod
    def _are_different(cls, values: tuple[Value, ...]) -> tuple[Value, ...]:
        first: dict[Value, int] = {}
        repeated = [
            (index, first[value])
            for index, value in enumerate(values)
            if first.setdefault(value, index) != index
        ]
        if repeated:
            raise broken(*(((i,), f"is {shown(values[i])}, which equals values[{k}]") for i, k in repeated))
        if any(isinstance(value, float) for value in values):
            return tuple(float(value) if is_number(value) else value for value in values)
        return values

    @property
    def ordered(self) -> bool:
        """Whether explore goes to a neighbour."""
        return self.order == "Ordered" or (self.order is None and all(map(is_number, self.values)))

    def sample(self, rng: Random) -> Value:
        """Draws a value."""
        return rng.choice(self.values)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of them, of the same type: True is not 1."""
        return _key(value) in map(_key, self.values)

    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[Value, str]:  # noqa: ARG002
        """Goes to a neighbour, inwards from an end; without an order it stays."""
        if not self.ordered or len(self.values) == 1:
            return value, "kept"
        here = list(map(_key, self.values)).index(_key(value))
        there = here + rng.choice((-1, 1))
        if not 0 <= there < len(self.values):
            there = 2 * here - there
        return self.values[there], "next" if there > here else "previous"

    @property
    def options(self) -> tuple[Value, ...] | None:
        """All of them, unless they are ordered."""
        return None if self.ordered else self.values

    @property
    def has_places(self) -> bool:
        """Where they are ordered."""
        return self.ordered

    def place(self, value: Value) -> float:
        """Its share of the list. See `Distribution.place`."""
        return list(map(_key, self.values)).index(_key(value)) / max(1, len(self.values) - 1)

    def at(self, place: float) -> Value:
        """The value nearest to there. See `Distribution.at`."""
        return self.values[round(place * (len(self.values) - 1))]

    def nearest(self, place: float) -> float:
        """Of that value. See `Distribution.nearest`."""
        return round(place * (len(self.values) - 1)) / max(1, len(self.values) - 1)

    def admit(self, value: Value) -> Value:
        """The one of the values that a given one equals. See `Distribution.admit`."""
        for candidate in self.values:
            if candidate == value and isinstance(candidate, bool) == isinstance(value, bool):
                return candidate
        listed = any_of(shown(candidate) for candidate in self.values[:8])
        raise ValueError(f"should be {'one of ' if len(self.values) > 8 else ''}{listed}")

    def axis(self) -> dict[str, Any]:
        """A band for each value. See `Distribution.axis`."""
        return {"kind": "choice", "values": list(self.values)}


def _key(value: Value) -> tuple[type, Value]:
    return type(value), value
