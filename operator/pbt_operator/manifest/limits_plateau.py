"""What a Population may use before it ends with the best that it has, and when training has stopped to get better."""

from typing import Annotated

from pydantic import Field

from pbt_operator.core import budget
from pbt_operator.core.wire import MAX_REAL, Real, Seconds, Steps, Whole, Wire

MAX_HOURS = 10**9

Hours = Annotated[Real, Field(gt=0, le=MAX_HOURS)]


class Limits(Wire):
    """What all members together may use. Can be changed while the population runs.

    Once a limit is reached, the population is Complete with its best and the reason LimitReached; without a finite
    score it is Failed with the reason NoFiniteScore. Default: no limits.
    """

    gpu_hours: Hours | None = Field(
        default=None,
        description="GPUs or other accelerators that a pod asks for, of whichever vendor (a MIG slice is one), times "
        "the hours of all processes, as far as reports and saves tell them: training, discarded or not, waiting and "
        "starting. What the template asks for now counts for all of these hours. The "
        "template must ask for some in resources.limits; claims of dynamic resource allocation don't count.",
    )
    active_seconds: Seconds | None = Field(
        default=None,
        description="Seconds since the population has been active. A suspension starts them anew, and what passes "
        "between an end and a change that continues the population doesn't count.",
    )
    total_member_steps: Steps | None = Field(
        default=None,
        description="Steps that all members have recorded together, those that were discarded included.",
    )

    def to_core(self) -> budget.Limits:
        """As the decisions need it."""
        return budget.Limits(**dict(self))


class Plateau(Wire):
    """When training has stopped to get better: then it is Complete with its best and the reason Plateau.

    Can be changed while the population runs. Default: all members train to the end.
    """

    rounds: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        description="How many of the newest decided rounds are looked at."
    )
    min_gain: Real = Field(
        default=0.0,
        ge=0,
        le=MAX_REAL,
        description="The best score must have become better by more than this in those rounds.",
    )

    def to_core(self) -> budget.Plateau:
        """As the decisions need it."""
        return budget.Plateau(**dict(self))
