"""What a scenario yields: one figure of one round, or a remark."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Sample:
    """One value of one figure.

    Attributes:
        figure: what was measured, e.g. `gap.in-place.1MB.ours`; the same name in every round.
        value: in `unit`.
        unit: `s`, `MB`, `count`, `ratio`...; a ratio is of two values of one round.
        exact: a count that must be equal in every run: it gates CI. All else is only compared.
        better: the direction in which the figure improves.
    """

    figure: str
    value: float
    unit: str
    exact: bool = False
    better: Literal["less", "more"] = "less"


@dataclass(frozen=True)
class Remark:
    """Why figures are missing, or what a reader must know of them; a scenario may yield it among its samples."""

    text: str
