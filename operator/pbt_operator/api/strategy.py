"""Exploit and explore in the manifest."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pbt_operator.api.wire import MAX_REAL, Real, Whole, Wire, broken
from pbt_operator.core.spec import Copy

Factor = Annotated[Real, Field(gt=0, le=1000)]


class Truncation(Wire):
    """The worst members copy the best ones. This is the default."""

    percent: Whole = Field(
        default=25,
        ge=1,
        le=50,
        description="The share of the members that is replaced in a round, rounded up; the donors are drawn from "
        "as many of the best. Example: 25 of 8 members replaces the worst 2 by copies of the best 2.",
    )


class BinaryTournament(Wire):
    """Each member draws another one and copies it if that one is better. Write `binaryTournament: {}`."""


class TTest(Wire):
    """Each member draws another one and copies it if its evaluations are better by Welch's t-test."""

    p_value: Real = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="The significance that is asked for. The trainer has to report lists of at least two "
        "evaluations.",
    )


class NoExploit(Wire):
    """Nobody copies: a random search at the same cost. Write `none: {}`."""


EXPLOITS = ("truncation", "binaryTournament", "tTest", "none")


class Exploit(Wire):
    """Who copies whom after a round.

    At most one of `truncation` (the default), `binaryTournament`, `tTest` and `none` can be given. Can be changed
    while the population runs.
    """

    truncation: Truncation | None = None
    binary_tournament: BinaryTournament | None = None
    t_test: TTest | None = None
    none: NoExploit | None = None
    min_gap: Real = Field(
        default=0,
        ge=0,
        le=MAX_REAL,
        description="A donor's score must be better than the loser's by more than this, in units of the metric.",
    )
    copy_: Copy = Field(
        default=Copy.BOTH,
        alias="copy",
        description="What a loser takes from its donor: weights, hyperparameters or both.",
    )

    @model_validator(mode="before")
    @classmethod
    def _names_its_strategy(cls, value: Any) -> Any:
        """An empty arm would be read as absent, and so as truncation."""
        empty = [
            arm for arm in EXPLOITS if isinstance(value, Mapping) and arm in value and value[arm] is None
        ]
        if empty:
            raise broken(*(((arm,), f"is empty; should be {arm}: {{}}") for arm in empty))
        return value

    @model_validator(mode="after")
    def _has_one_strategy(self) -> Self:
        arms = (self.truncation, self.binary_tournament, self.t_test, self.none)
        given = [name for name, arm in zip(EXPLOITS, arms, strict=True) if arm is not None]
        if len(given) > 1:
            raise broken(((), f"has {' and '.join(given)}; should have only one of them"))
        return self


class Explore(Wire):
    """How copied hyperparameters change. Can be changed while the population runs."""

    factors: tuple[Factor, ...] = Field(
        default=(0.8, 1.25),
        min_length=1,
        max_length=16,
        description="One of them is drawn and multiplied with the copied value; what would leave the bounds of "
        "its space is reflected back into them.",
    )
    resample_percent: Whole = Field(
        default=25,
        ge=0,
        le=100,
        description="The chance, in percent, that a value is drawn anew from its distribution instead.",
    )
