"""The parts of a population that replace their losers at paces of their own."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from pbt_operator.core import sub_populations
from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.spec import Copy
from pbt_operator.core.sub_populations import MIN_MEMBERS
from pbt_operator.core.wire import Path, Whole, Wire, broken
from pbt_operator.manifest.exploit_explore import Exploit

MAX_SUB_POPULATIONS = 8


class SubPopulation(Wire):
    """When the losers of this part are replaced.

    Exactly one of `everyRounds` and `horizonPercent` is given.
    """

    every_rounds: Annotated[Whole, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="They are replaced in each round whose number is a multiple of this."
    )
    horizon_percent: Annotated[Whole, Field(ge=0, le=50)] | None = Field(
        default=None,
        description="They are replaced, and then again after this share of the rounds that are left until "
        "`totalSteps`, in percent; with 0 in every round.",
    )

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        given = [name for name in ("every_rounds", "horizon_percent") if getattr(self, name) is not None]
        if len(given) != 1:
            told = "has both everyRounds and horizonPercent" if given else "says nothing"
            raise broken(((), f"{told}; should have exactly one of everyRounds and horizonPercent"))
        return self

    def to_core(self) -> sub_populations.SubPopulation:
        """As the decisions need it."""
        return sub_populations.SubPopulation(self.every_rounds, self.horizon_percent or 0)


NOT_WITH_NONE = "is given, and exploit.none replaces nobody; should be left out, or exploit be another one"
NOT_WITH_VALUES_ONLY = (
    "is given, and exploit.copy is Hyperparameters; should be left out, or copy be Both or Weights, for members that "
    "migrate take weights along"
)
TWO_PACES = "is given, and subPopulations say when losers are replaced; should be left out"


def misfits(
    parts: Sequence[SubPopulation] | None, members: int, exploit: Exploit | None
) -> Iterator[tuple[Path, str]]:
    """What in a spec doesn't go with its sub-populations: where, and what would be right."""
    if parts is None:
        return
    most = members // MIN_MEMBERS
    if len(parts) > most:
        right = f"at most {most}" if most else "none"
        told = f"has {len(parts)} sub-populations for {members} members; should have {right}"
        yield ("subPopulations",), f"{told}, for each needs {MIN_MEMBERS} members"
    if exploit is None:
        return
    if exploit.rule.never_replaces:
        yield ("subPopulations",), NOT_WITH_NONE
    if exploit.copy_ is Copy.HYPERPARAMETERS:
        yield ("subPopulations",), NOT_WITH_VALUES_ONLY
    if exploit.horizon_percent:
        yield ("exploit", "horizonPercent"), TWO_PACES


_GIVEN = "has(self.subPopulations)"
SPEC_RULES = (
    CelRule(
        f"!{_GIVEN} || size(self.subPopulations) * {MIN_MEMBERS} <= self.members",
        f"has {{size(self.subPopulations)}} sub-populations for {{self.members}} members; should have at most "
        f"{{self.members / {MIN_MEMBERS}}}, for each needs {MIN_MEMBERS} members",
        field="subPopulations",
    ),
    CelRule(
        f"!({_GIVEN} && has(self.exploit) && has(self.exploit.none))", NOT_WITH_NONE, field="subPopulations"
    ),
    CelRule(
        f"!({_GIVEN} && has(self.exploit) && has(self.exploit.copy) && self.exploit.copy == 'Hyperparameters')",
        NOT_WITH_VALUES_ONLY,
        field="subPopulations",
    ),
    CelRule(
        f"!({_GIVEN} && has(self.exploit) && has(self.exploit.horizonPercent) && self.exploit.horizonPercent > 0)",
        TWO_PACES,
        field="exploit.horizonPercent",
    ),
    CelRule(
        f"{_GIVEN} == has(oldSelf.subPopulations)",
        "can't be given or left out later: members are born into them; create another Population for that",
        field="subPopulations",
    ),
)
"""Of the spec as a whole, as the API server checks them."""

PARTS_RULES = (
    CelRule(
        "size(self) == size(oldSelf)",
        "is a list of {size(self)}; should stay one of {size(oldSelf)}, for members are born into them",
    ),
)

PART_RULES = (
    CelRule(
        "has(self.everyRounds) != has(self.horizonPercent)",
        "should have exactly one of everyRounds and horizonPercent",
    ),
)
