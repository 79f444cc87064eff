"""What a distribution is: what a value may be, how one is drawn, and how explore moves one.

Its fields, with their descriptions and limits, are its arm in the manifest; its docstring describes it there. What a
schema can't hold, a validator checks (for `pbt run`) and `cel` says again (for the API server).

Only what a space contains is perturbed, and then it never leaves. Decisions must be the same bits on every machine:
draw from the given generator alone, and compute with `pbt_operator.core.distributions.exact`.
"""

from abc import ABC, abstractmethod
from random import Random
from typing import Any, ClassVar

from pbt_contract.records import Value
from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.wire import Wire

FACTORS = (0.8, 1.25)
"""What a value is multiplied with whose distribution has no scale of its own, where the manifest gives no factors."""


class Distribution(Wire, ABC):
    """The space of one hyperparameter.

    Attributes:
        cel: what the API server checks of the arm beyond its fields' types and limits.
    """

    cel: ClassVar[tuple[CelRule, ...]] = ()

    @abstractmethod
    def sample(self, rng: Random) -> Value:
        """Draws a value."""

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether `value` is one that could be drawn, of the right type: True is no number."""

    @abstractmethod
    def perturb(self, value: Value, rng: Random, factors: tuple[float, ...]) -> tuple[Value, str]:
        """Moves a value.

        Args:
            value: in this space.
            rng: what is drawn from.
            factors: one of them is drawn and multiplied with the value, where that means something.

        Returns:
            A value in this space, and the operation in words: `x1.25`, or `kept` if it didn't move.
        """

    @property
    def log_width(self) -> float | None:
        """The natural logarithm of the ratio of its bounds, where moves go on a logarithmic scale; None elsewhere."""
        return None

    def reach(self, value: Value, rng: Random, percent: int) -> tuple[Value, str]:  # noqa: ARG002
        """Moves a value where the manifest gives no factors.

        Args:
            value: in this space.
            rng: what is drawn from.
            percent: how far a move goes on the distribution's own scale, of its range; for those that have one.

        Returns:
            As `perturb`.
        """
        return self.perturb(value, rng, FACTORS)

    @property
    def options(self) -> tuple[Value, ...] | None:
        """All its values, where they have no order; None elsewhere."""
        return None

    @property
    def has_places(self) -> bool:
        """Whether values lie at places of a scale, so that a model can say which are near: by the methods below."""
        return False

    def place(self, value: Value) -> float:
        """Where a value of this space lies on the distribution's own scale, from 0 to 1."""
        raise NotImplementedError

    def at(self, place: float) -> Value:
        """The value that lies nearest to a place."""
        raise NotImplementedError

    def nearest(self, place: float) -> float:
        """The place of the value that lies nearest: itself, unless values lie apart."""
        return place

    @abstractmethod
    def admit(self, value: Value) -> Value:
        """A value that a manifest gives, as this distribution yields it.

        Raises:
            ValueError: it is outside; the message says what would be right.
        """

    def typed(self, value: Value) -> Value:
        """A value of this space in the type that `sample` has: manifests and JSON write 1 where 1.0 is meant."""
        return value

    @abstractmethod
    def axis(self) -> dict[str, Any]:
        """How the page draws it, as JSON.

        Returns:
            `kind` is `linear`, `log`, `oneMinus` or `integer`, with `min` and `max`; or `choice`, with `values`.
        """
