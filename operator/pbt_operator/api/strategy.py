"""Exploit and explore in the manifest."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pbt_operator.api.wire import MAX_REAL, Real, Whole, Wire, broken
from pbt_operator.core.spec import Copy

Factor = Annotated[Real, Field(gt=0, le=1000)]


class Truncation(Wire):
    """The worst copy the best. This is the default."""

    percent: Whole = Field(
        default=25,
        ge=1,
        le=50,
        description="The share of the members that is replaced, at least one; donors are the best as many.",
    )


class BinaryTournament(Wire):
    """Each member draws another one and copies it if that one is better."""


class TTest(Wire):
    """Each member draws another one and copies it if its evaluations are better by Welch's t-test."""

    p_value: Real = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="The significance that is asked for. Needs lists of evaluations.",
    )


class NoExploit(Wire):
    """Nobody copies: a random search at the same cost."""


EXPLOITS = ("truncation", "binaryTournament", "tTest", "none")


class Exploit(Wire):
    """Who copies whom: one of `truncation` (the default), `binaryTournament`, `tTest` and `none`."""

    truncation: Truncation | None = None
    binary_tournament: BinaryTournament | None = None
    t_test: TTest | None = None
    none: NoExploit | None = None
    min_gap: Real = Field(
        default=0, ge=0, le=MAX_REAL, description="A donor's score must be better by more than this."
    )
    copy_: Copy = Field(default=Copy.BOTH, alias="copy", description="What a loser takes from its donor.")

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
    """How copied hyperparameters change."""

    factors: tuple[Factor, ...] = Field(
        default=(0.8, 1.25),
        min_length=1,
        max_length=16,
        description="One of them is drawn and multiplied with the value, reflected into its bounds.",
    )
    resample_percent: Whole = Field(
        default=25,
        ge=0,
        le=100,
        description="The chance that a value is drawn anew from its distribution instead.",
    )
