"""The status of a population: the same words in `status`, `results/<n>.json` and `pbt status -o json`."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from pbt_contract.keys import Life
from pbt_contract.records import FORMAT, Count, Record, Source, Value
from pbt_operator.core.lineage import Segment, schedule
from pbt_operator.core.part_status import PartStatus
from pbt_operator.core.round_record import Standing
from pbt_operator.core.strategy import Strategy

MAX_MEMBERS = 32  # that a custom resource shows
HYPERPARAMETERS = "The values that the incarnation was assigned, by hyperparameter."


NOT_SCORED = "not scored yet"
"""How the reason of a member begins whose newest report has too few evaluations to be compared."""


class PopulationPhase(StrEnum):
    """For people; on a cluster the conditions are the API."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self in {PopulationPhase.COMPLETE, PopulationPhase.FAILED}


class MemberState(StrEnum):
    """What a member is doing."""

    WAITING = "Waiting"  # for its turn, or for its next incarnation to start
    STARTING = "Starting"  # it has a pod, whose process hasn't taken the birth yet
    TRAINING = "Training"
    STOPPING = "Stopping"
    FINISHED = "Finished"
    FAILED = "Failed"
    REMOVED = "Removed"


class MemberStatus(Record, frozen=True, kw_only=True):
    """One member as it is now."""

    member: Annotated[int, Meta(description="The number of the member, from 0.")]
    incarnation: Annotated[int, Meta(description="The number of its newest incarnation, from 1.")]
    state: Annotated[MemberState, Meta(description=f"What it is doing: {', '.join(MemberState)}.")]
    step: Annotated[int, Meta(description="The step of its newest report or save.")]
    score: Annotated[float | None, Meta(description="Its newest score.")] = None
    hyperparameters: Annotated[dict[str, Value], Meta(description=HYPERPARAMETERS)] = {}
    sub_population: Annotated[
        Count | UnsetType, Meta(description="The number of its sub-population, from 0; absent without any.")
    ] = UNSET
    parent: Annotated[
        Source | None,
        Meta(
            description="The checkpoint that its newest incarnation started from. None if it started from nothing."
        ),
    ] = None
    reason: Annotated[
        str,
        Meta(
            description="Why it is in this state, or why it was born anew; after a crash the last lines of its log."
        ),
    ] = ""

    @property
    def is_unscored(self) -> bool:
        """Whether its newest report has too few evaluations to be compared."""
        return self.reason.startswith(NOT_SCORED)

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Best(Record, frozen=True, kw_only=True):
    """A scored checkpoint."""

    member: Annotated[int, Meta(description="The number of the member.")]
    incarnation: Annotated[int, Meta(description="The incarnation of the member.")]
    step: Annotated[int, Meta(description="The step of the report.")]
    score: Annotated[float, Meta(description="The value of the objective's metric, the mean of a list.")]
    hyperparameters: Annotated[dict[str, Value], Meta(description=HYPERPARAMETERS)]
    checkpoint: Annotated[
        str,
        Meta(
            description="The prefix of the checkpoint's files, below `location`. `pbt fetch` downloads them."
        ),
    ]

    @classmethod
    def of(cls, standing: Standing | None) -> "Best | None":
        """A standing in the words of the status."""
        if standing is None:
            return None
        return cls(
            member=standing.member,
            incarnation=standing.incarnation,
            step=standing.step,
            score=standing.score,
            hyperparameters=standing.hyperparameters,
            checkpoint=standing.source.checkpoint,
        )


class Steps(Record, frozen=True, kw_only=True):
    """Training steps of all members together."""

    productive: Annotated[Count, Meta(description="Recorded, and part of some member's story.")] = 0
    discarded: Annotated[
        Count,
        Meta(
            description="Recorded, but past the step at which a decision or a resume closed the incarnation."
        ),
    ] = 0
    remaining: Annotated[Count | UnsetType, Meta(description="What the members still have before them.")] = (
        UNSET
    )
    waiting: Annotated[Count, Meta(description="The former name of `remaining`, for one version.")] = 0

    @property
    def left(self) -> int:
        """What the members still have before them, whichever version wrote it."""
        return self.waiting if isinstance(self.remaining, UnsetType) else self.remaining


class SecondsSpent(Record, frozen=True, kw_only=True):
    """What the time of all processes went to, as far as reports and saves tell it."""

    productive: Annotated[
        float, Meta(description="Training behind what is part of some member's story, as `steps` counts it.")
    ] = 0.0
    discarded: Annotated[float, Meta(description="Training behind what isn't, as `steps` counts it.")] = 0.0
    waiting: Annotated[
        float, Meta(description="At gates, for members or decisions that were more than `maxLead` behind.")
    ] = 0.0
    starting: Annotated[
        float,
        Meta(
            description="From the start of a process, or in place from the last step of the life before, to the first "
            "step."
        ),
    ] = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.productive + self.discarded + self.waiting + self.starting


class Forecast(Record, frozen=True, kw_only=True):
    """What is left at the pace of the newest reports, if nothing ends the population before its last step."""

    seconds: Annotated[Count, Meta(description="Until the last member has made its last step.")]
    gpu_hours: Annotated[
        float | UnsetType, Meta(description="Of all pods together; absent where they ask for no GPU.")
    ] = UNSET


class Takeovers(Record, frozen=True, kw_only=True):
    """How processes that trained came to the births that rounds decided. Their claims tell it."""

    in_place: Annotated[Count, Meta(description="How many loops continued with their births, in place.")] = 0
    anew: Annotated[
        Count, Meta(description="How many processes ran their command again, as a loop couldn't continue.")
    ] = 0
    why: Annotated[
        str, Meta(description="What kept a loop from continuing; of several reasons the commonest.")
    ] = ""


class Status(Record, frozen=True, kw_only=True):
    """The whole; `reason` and `message` say why it is in its phase.

    The schema of the custom resource's status follows from these fields and their descriptions. A new field needs a
    default, since earlier versions don't write it, and a line in `pbt_operator.core.status_builder`.
    """

    format: int = FORMAT
    phase: Annotated[
        PopulationPhase,
        Meta(description=f"For people, how the conditions sum up: {', '.join(PopulationPhase)}."),
    ]
    reason: str
    message: str = ""
    best: Annotated[
        Best | None,
        Meta(
            description="The best score that any member has ever reported, and its checkpoint. It is kept to the end."
        ),
    ] = None
    final: Annotated[
        Best | None,
        Meta(
            description="The best of the members' newest scores, at the end of the training. Members that failed have "
            "none."
        ),
    ] = None
    members: Annotated[
        list[MemberStatus],
        Meta(
            description=f"At most {MAX_MEMBERS} members: those in trouble first, then the best. "
            "The store has all of them."
        ),
    ] = []
    rounds: Annotated[
        int, Meta(description="How many rounds are decided. Rounds that were skipped are not among them.")
    ] = 0
    due: Annotated[
        int | UnsetType,
        Meta(
            description="With `exploit.horizonPercent`: the round in which losers are replaced next, as planned "
            "against `totalSteps`."
        ),
    ] = UNSET
    sub_populations: Annotated[
        list[PartStatus] | UnsetType,
        Meta(description="The sub-populations, one after the other; absent where there are none."),
    ] = UNSET
    exploits: Annotated[int, Meta(description="How many births were copies of a donor.")] = 0
    births: Annotated[
        int, Meta(description="How many incarnations there have been of all members together.")
    ] = 0
    takeovers: Annotated[
        Takeovers | UnsetType,
        Meta(
            description="With `restart: InPlace`: how processes that trained came to the births that rounds decided."
        ),
    ] = UNSET
    steps: Annotated[Steps, Meta(description="Training steps of all members together.")] = Steps()
    seconds: Annotated[
        SecondsSpent | UnsetType,
        Meta(
            description="What the time of all processes went to; absent while a restarted operator still reads it."
        ),
    ] = UNSET
    forecast: Annotated[
        Forecast | UnsetType,
        Meta(description="What is left at the pace of the newest reports; absent before there is one."),
    ] = UNSET
    strategy: Annotated[
        Strategy | UnsetType,
        Meta(description="Who chose exploit and explore: Auto, when the population began, or Explicit."),
    ] = UNSET
    exploit: Annotated[
        dict[str, Any] | UnsetType, Meta(description="The exploit that is in force, written out.")
    ] = UNSET
    explore: Annotated[
        dict[str, Any] | UnsetType, Meta(description="The explore that is in force, written out.")
    ] = UNSET


RECORDS_ONLY = frozenset({"format", "reason", "message"})
"""The fields of a `Status` that a custom resource doesn't have: there the conditions tell them."""


class Result(Status, frozen=True, kw_only=True):
    """How a population ended: its status, and what PBT found: the winner's lineage and hyperparameter schedule.

    Attributes:
        spec: the number of the spec record that it ended under.
    """

    spec: Count
    lineage: list[Segment]
    schedule: list[Segment]

    @classmethod
    def of(cls, status: Status, *, spec: int, lineage: list[Segment]) -> "Result":
        """The status at the end, with the lineage behind its best."""
        words = {name: getattr(status, name) for name in status.__struct_fields__}
        return cls(**words, spec=spec, lineage=lineage, schedule=schedule(lineage))

    @property
    def can_be_retried(self) -> bool:
        """Whether it failed and trying again may help: without a finite score it ends again as it is."""
        return self.phase is PopulationPhase.FAILED and self.reason != "NoFiniteScore"

    def closing(self, status: Status) -> Status:
        """A status made after the end: what trainers still recorded as they were stopped is no part of it."""
        seconds = status.seconds if isinstance(self.seconds, UnsetType) else self.seconds
        steps = replace(self.steps, remaining=self.steps.left)
        return replace(status, final=self.final, rounds=self.rounds, steps=steps, seconds=seconds)
