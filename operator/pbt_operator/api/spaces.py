"""What a hyperparameter is drawn from, as Python writes it; the manifest's models check it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pbt_contract.records import Value

Explored = Literal["Always", "Never"]


@dataclass(frozen=True)
class Space:
    """A distribution, and whether explore changes what was drawn from it.

    Attributes:
        arm: its name in the manifest.
        fields: as the manifest has them.
        explore: `Always`: it changes when a member is copied. `Never`: it is drawn once and copied with the weights,
            for what their shapes depend on.
    """

    arm: str
    fields: Mapping[str, Any]
    explore: Explored

    def to_wire(self, name: str) -> dict[str, Any]:
        """The hyperparameter of that name, as the manifest has it."""
        explored = {} if self.explore == "Always" else {"explore": self.explore}
        return {"name": name, self.arm: dict(self.fields), **explored}


class LogUniform(Space):
    """A number that is log-uniform between two bounds: for what matters in ratios, such as learning rates."""

    def __init__(self, min: float, max: float, *, explore: Explored = "Always") -> None:  # noqa: A002
        """Checked when a population is made of it: `ManifestError` where the bounds are wrong.

        Args:
            min: the smallest value, above 0.
            max: the largest value, above `min`.
            explore: see `Space`.
        """
        super().__init__("logUniform", {"min": min, "max": max}, explore)


class OneMinus(Space):
    """A number of which 1 minus it is log-uniform: momentum, discounts and the like, where they lie near 1."""

    def __init__(self, min: float, max: float, *, explore: Explored = "Always") -> None:  # noqa: A002
        """Checked when a population is made of it: `ManifestError` where the bounds are wrong.

        Args:
            min: the smallest value.
            max: the largest value, above `min` and below 1.
            explore: see `Space`.
        """
        super().__init__("logUniform", {"min": min, "max": max, "of": "OneMinus"}, explore)


class Uniform(Space):
    """A number that is uniform between two bounds, such as a dropout rate."""

    def __init__(self, min: float, max: float, *, explore: Explored = "Always") -> None:  # noqa: A002
        """Checked when a population is made of it: `ManifestError` where the bounds are wrong.

        Args:
            min: the smallest value.
            max: the largest value, above `min`.
            explore: see `Space`.
        """
        super().__init__("uniform", {"min": min, "max": max}, explore)


class Integer(Space):
    """A whole number that is uniform between two bounds, both included, such as a number of layers."""

    def __init__(self, min: int, max: int, *, explore: Explored = "Always") -> None:  # noqa: A002
        """Checked when a population is made of it: `ManifestError` where the bounds are wrong.

        Args:
            min: the smallest value.
            max: the largest value, above `min`.
            explore: see `Space`.
        """
        super().__init__("integer", {"min": min, "max": max}, explore)


class Choice(Space):
    """One of several values, such as the name of an optimizer."""

    def __init__(
        self,
        values: Sequence[Value],
        *,
        order: Literal["Ordered", "Unordered"] | None = None,
        explore: Explored = "Always",
    ) -> None:
        """Checked when a population is made of it: `ManifestError` where the values are wrong.

        Args:
            values: 2 to 256 different numbers, texts or bools.
            order: `Ordered`: explore goes to a neighbour. `Unordered`: it keeps the value unless it resamples. None:
                Ordered if all are numbers.
            explore: see `Space`.
        """
        ordered = {} if order is None else {"order": order}
        super().__init__("choice", {"values": list(values), **ordered}, explore)
