"""How a numeric hyperparameter looks to a tool that knows bounds and logarithms, but not the logarithm of 1 - x."""

from typing import NamedTuple

from pbt_contract.records import Value
from pbt_operator.core.search import Hyperparameter


class Scale(NamedTuple):
    """What is inside a hyperparameter: its value, or 1 - value where that is log-uniform.

    Attributes:
        kind: `linear`, `log`, `oneMinus` or `integer`, as the distribution's axis.
        low: the smallest value.
        high: the largest one.
    """

    kind: str
    low: float
    high: float

    @property
    def logarithmic(self) -> bool:
        """Whether what is inside is log-uniform; else it is uniform."""
        return self.kind in {"log", "oneMinus"}

    @property
    def bounds(self) -> tuple[float, float]:
        """Of what is inside."""
        return (1 - self.high, 1 - self.low) if self.kind == "oneMinus" else (self.low, self.high)

    def inside(self, value: Value) -> float:
        """Of a value."""
        assert isinstance(value, int | float)
        low, high = self.bounds
        return min(max(1 - value if self.kind == "oneMinus" else value, low), high)

    def value(self, inside: float) -> float | int:
        """What it stands for. What rounding has led out of the bounds is led back."""
        value = min(max(1 - inside if self.kind == "oneMinus" else inside, self.low), self.high)
        return round(value) if self.kind == "integer" else float(value)


def scale_of(hyperparameter: Hyperparameter) -> Scale | None:
    """The scale of a number; None for a choice."""
    axis = hyperparameter.space.axis()
    return None if axis["kind"] == "choice" else Scale(axis["kind"], axis["min"], axis["max"])
