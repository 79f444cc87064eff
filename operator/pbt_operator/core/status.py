"""The status of a population: the same words in `status`, `results/<n>.json` and `pbt status -o json`."""

from enum import StrEnum

from pbt_contract.keys import Life
from pbt_contract.records import FORMAT, Count, Record, Source, Value
from pbt_operator.core.lineage import Segment
from pbt_operator.core.round_record import Standing


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

    member: int
    incarnation: int
    state: MemberState
    step: int
    score: float | None
    hyperparameters: dict[str, Value]
    parent: Source | None = None
    reason: str = ""

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Best(Record, frozen=True, kw_only=True):
    """A scored checkpoint."""

    member: int
    incarnation: int
    step: int
    score: float
    hyperparameters: dict[str, Value]
    checkpoint: str

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
    """Training steps of all members together.

    Attributes:
        productive: recorded, and part of some member's story.
        discarded: recorded, but past the step at which a decision or a resume closed the incarnation.
        waiting: what the members still have before them.
    """

    productive: Count
    discarded: Count
    waiting: Count


class Status(Record, frozen=True, kw_only=True):
    """The whole; `reason` and `message` say why it is in its phase."""

    format: int = FORMAT
    phase: PopulationPhase
    reason: str
    message: str = ""
    best: Best | None
    final: Best | None
    members: list[MemberStatus]
    rounds: int
    exploits: int
    births: int
    steps: Steps


class Result(Status, frozen=True, kw_only=True):
    """How a population ended: its status, and what PBT found: the winner's lineage and hyperparameter schedule.

    Attributes:
        spec: the number of the spec record that it ended under.
    """

    spec: Count
    lineage: list[Segment]
    schedule: list[Segment]
