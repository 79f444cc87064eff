"""The search space in the manifest: hyperparameters with their distributions, and the values these admit."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pbt_contract.records import Value
from pbt_operator.core.wire import MAX_REAL, MAX_WHOLE, Real, Scalar, Whole, Wire, broken
from pbt_operator.core.wording import any_of, shown

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


class LogUniform(Wire):
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
        description="What is log-uniform and perturbed: the value itself, or 1 minus the value, "
        "for what matters near 1 (momentum, discount).",
    )

    @model_validator(mode="after")
    def _has_a_logarithm(self) -> Self:
        _check_range(self.min, self.max)
        if self.of == "Value" and self.min <= 0:
            raise broken((("min",), f"is {shown(self.min)}; should be above 0, for its logarithm is drawn"))
        if self.of == "OneMinus" and self.max >= 1:
            told = f"is {shown(self.max)}; should be below 1, for the logarithm of 1 minus it is drawn"
            raise broken((("max",), told))
        return self

    def admit(self, value: Value) -> float:
        """A given value as this distribution yields it.

        Raises:
            ValueError: it is outside; the message says what would be right.
        """
        return _within(value, self.min, self.max)


class Uniform(Wire):
    """A number that is uniform between two bounds, such as a dropout rate."""

    min: Real = Field(ge=-MAX_REAL, le=MAX_REAL, description="The smallest value.")
    max: Real = Field(ge=-MAX_REAL, le=MAX_REAL, description="The largest value. Above `min`.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.min, self.max)
        return self

    def admit(self, value: Value) -> float:
        """As `LogUniform.admit`."""
        return _within(value, self.min, self.max)


class Integer(Wire):
    """A whole number that is uniform between two bounds, both included, such as a number of layers."""

    min: Whole = Field(ge=-MAX_WHOLE, le=MAX_WHOLE, description="The smallest value.")
    max: Whole = Field(ge=-MAX_WHOLE, le=MAX_WHOLE, description="The largest value. Above `min`.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.min, self.max)
        return self

    def admit(self, value: Value) -> int:
        """As `LogUniform.admit`."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.min <= value <= self.max:
            raise ValueError(f"should be a whole number from {self.min} to {self.max}")
        return value


class Choice(Wire):
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
            return tuple(float(value) if _is_number(value) else value for value in values)
        return values

    @property
    def ordered(self) -> bool:
        """Whether explore goes to a neighbour."""
        return self.order == "Ordered" or (self.order is None and all(map(_is_number, self.values)))

    def admit(self, value: Value) -> Value:
        """As `LogUniform.admit`."""
        for candidate in self.values:
            if candidate == value and isinstance(candidate, bool) == isinstance(value, bool):
                return candidate
        listed = any_of(shown(candidate) for candidate in self.values[:8])
        raise ValueError(f"should be {'one of ' if len(self.values) > 8 else ''}{listed}")


Distribution = LogUniform | Uniform | Integer | Choice
ARMS = ("logUniform", "uniform", "integer", "choice")


class Hyperparameter(Wire):
    """One dimension of the search, with exactly one of `logUniform`, `uniform`, `integer` and `choice`."""

    name: str = Field(
        min_length=1,
        max_length=63,
        pattern=NAME_PATTERN,
        description="Its name in the training script, such as `lr`. No two have the same.",
    )
    log_uniform: LogUniform | None = None
    uniform: Uniform | None = None
    integer: Integer | None = None
    choice: Choice | None = None
    explore: Literal["Always", "Never"] = Field(
        default="Always",
        description="With Always, it changes when a member is copied. With Never, it is drawn once and copied with "
        "the weights: for what their shapes depend on, such as a number of layers.",
    )

    @model_validator(mode="after")
    def _has_one_distribution(self) -> Self:
        given = [arm for arm, space in zip(ARMS, self._arms(), strict=True) if space is not None]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "has no distribution"
            raise broken(((), f"{found}; should have exactly one of {any_of(ARMS)}"))
        return self

    def _arms(self) -> tuple[Distribution | None, ...]:
        return self.log_uniform, self.uniform, self.integer, self.choice

    @property
    def distribution(self) -> Distribution:
        """The arm that is given."""
        return next(space for space in self._arms() if space is not None)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within(value: Value, low: float, high: float) -> float:
    if isinstance(value, str) or not _is_number(value) or not low <= value <= high:
        raise ValueError(f"should be a number from {shown(low)} to {shown(high)}")
    return float(value)


def _check_range(low: float, high: float) -> None:
    if low >= high:
        relation = "the same as" if low == high else "above"
        raise broken((("min",), f"is {shown(low)}, {relation} max {shown(high)}; should be smaller than max"))
