"""What the members of a Population are compared by, and when."""

from pydantic import Field, ValidationInfo, field_validator

from pbt_operator.core.search import Goal
from pbt_operator.core.wire import MAX_REAL, MAX_STEPS, Real, Seconds, Steps, Whole, Wire, broken

MAX_ROUNDS = 10**7 - 1  # as many digits as a key has room for
METRIC_PATTERN = r"^[^\p{Cc}]*$"  # no terminal, log or environment could hold others


class Objective(Wire):
    """What the members are compared by. It can't be changed: another objective is another experiment."""

    metric: str = Field(
        min_length=1,
        max_length=128,
        pattern=METRIC_PATTERN,
        description="The name under which the trainer reports it, such as `val_accuracy`.",
    )
    goal: Goal = Field(description="Whether more or less of the metric is better.")
    target: Real | None = Field(
        default=None,
        ge=-MAX_REAL,
        le=MAX_REAL,
        description="The population is Complete as soon as a member reaches it: by the mean of several "
        "evaluations, or in two reports in a row. Default: all members train to the end.",
    )


class Schedule(Wire):
    """Steps and rounds. A step is whatever the training script counts: batches, epochs, frames."""

    total_steps: Steps = Field(
        description="Each member trains to this step. It can be raised while the population runs, never lowered."
    )
    interval_steps: Steps = Field(
        description="Steps between two rounds: the members report, are compared, and losers are replaced. At most "
        "`totalSteps`. It can't be changed."
    )
    burn_in_steps: Whole = Field(
        default=0,
        ge=0,
        le=MAX_STEPS,
        description="Nobody is replaced up to and including this step. Below `totalSteps`.",
    )
    quorum_percent: Whole = Field(
        default=75,
        ge=50,
        le=100,
        description="A round can be decided when this share of the living members, in percent, has reported it: "
        "at least half, for a minority would be the fast, not the good. With 100 every round is decided, in order "
        "and by all living members, so that the same scores always give the same decisions.",
    )
    max_lead: Whole = Field(
        default=2,
        ge=0,
        le=MAX_ROUNDS,
        description="How many intervals a member may be ahead: one that reported a round trains on while at most so "
        "many rounds are undecided, else it waits for the others. With 0 all wait for each decision. What is trained "
        "ahead is lost where a decision replaces it; waiting costs time. Nobody waits for rounds that replace nobody. "
        "Where slots are shared it is at least 1, but with `quorumPercent` 100.",
    )
    straggler_timeout_seconds: Seconds = Field(
        default=600,
        description="Seconds after which a member whose pod doesn't start is no longer waited for, until it is back. "
        "One that waits for its turn is waited for however long, and with `quorumPercent` 100 so is everyone.",
    )
    progress_deadline_seconds: Seconds = Field(
        default=3600,
        description="Seconds after which a running member without a new report or save counts as crashed. It should "
        "be a few times what an interval takes.",
    )

    @field_validator("interval_steps")
    @classmethod
    def _fits_the_total(cls, interval: int, info: ValidationInfo) -> int:
        total = info.data.get("total_steps", interval)
        if interval > total:
            raise broken(((), f"is {interval}; should be at most totalSteps, which is {total}"))
        if -(-total // interval) > MAX_ROUNDS:
            least = -(-total // MAX_ROUNDS)
            raise broken(
                ((), f"is {interval}; should be at least {least}, for there are at most {MAX_ROUNDS} rounds")
            )
        return interval

    @field_validator("burn_in_steps")
    @classmethod
    def _leaves_something(cls, burn_in: int, info: ValidationInfo) -> int:
        total = info.data.get("total_steps", burn_in + 1)
        if burn_in >= total:
            raise broken(((), f"is {burn_in}; should be below totalSteps, which is {total}"))
        return burn_in
