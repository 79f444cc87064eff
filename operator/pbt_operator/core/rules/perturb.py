"""The explore that is the default: each value is resampled, or moved by a factor or by a share of its range."""

import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Annotated

from pydantic import Field

from pbt_contract.records import Value
from pbt_operator.core.distributions import Distribution
from pbt_operator.core.round_record import Decision
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import ExploreRule, Move
from pbt_operator.core.wire import Real, Whole

Factor = Annotated[Real, Field(gt=0, le=1000)]


class Perturb(ExploreRule):
    """Each value moves up or down, or is drawn anew."""

    factors: tuple[Factor, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="One of them is drawn and multiplied with the copied value; what would leave the bounds of "
        "its space is reflected back into them. Default: `reachPercent` for `logUniform`, and [0.8, 1.25] for "
        "`uniform` and `integer`. A `uniform` value whose range contains 0 moves up or down by 20 % of the range "
        "instead, for no factor leaves 0.",
    )
    reach_percent: Whole = Field(
        default=20,
        ge=1,
        le=100,
        description="How far a move of a `logUniform` value goes, up or down: so many percent of the range between "
        "the logarithms of its bounds, where what would leave them is reflected. Not used if `factors` are given. "
        "Example: 20 of 1.0e-4 to 1.0 is a factor of 6.3, and five moves cross the range.",
    )
    resample_percent: Whole = Field(
        default=25,
        ge=0,
        le=100,
        description="The chance, in percent, that a value is drawn anew from its distribution instead.",
    )

    def move(self, copied: Mapping[str, Value], *, member: int, view: RoundView) -> Move:
        """Each hyperparameter by itself, from a generator of its own."""
        values: dict[str, Value] = {}
        operations: dict[str, str] = {}
        for h in view.space:
            rng = view.chance(member, f"explore/{h.name}")
            resampled = 100 * rng.random() < self.resample_percent
            value = copied.get(h.name)
            if value is None or (h.explored and resampled):
                values[h.name], operations[h.name] = h.space.sample(rng), "resampled"
            elif h.explored:
                values[h.name], operations[h.name] = self._moved(value, h.space, rng)
        return Move(values, operations)

    def stride(self, space: Distribution) -> float | None:
        """The reach, or the longest factor on the logarithmic scale."""
        if not space.log_width:
            return None
        if self.factors is None:
            return self.reach_percent / 100
        return max(abs(math.log(factor)) for factor in self.factors) / space.log_width

    def _moved(self, value: Value, space: Distribution, rng: Random) -> tuple[Value, str]:
        if self.factors is None:
            return space.reach(value, rng, self.reach_percent)
        return space.perturb(value, rng, self.factors)

    def laws(self, view: RoundView, decisions: Sequence[Decision]) -> Iterator[str]:
        """At 100 percent everything that is explored is resampled."""
        explored = [h.name for h in view.space if h.explored] if self.resample_percent == 100 else []
        for decision in decisions:
            for name in explored:
                if decision.operations.get(name) != "resampled":
                    yield f"{name} of member {decision.member} isn't resampled"
