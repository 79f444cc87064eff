"""The records of the storage contract that trainers read and write: births, claims, reports and saves.

Records are written once and never changed. They hold no clock times, so that the same decisions give the same bytes.
`pbt_contract` draws the states that they put a life into; `encoding` turns them into bytes and back.
"""

import math
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.limits import MAX_EVALUATIONS, MAX_METRIC_NAME, MAX_METRICS
from pbt_contract.scores import Score

FORMAT = 1
IN_PIECES = 2
"""The format of a round or result whose lists lie in pieces: who doesn't know these would take the lists for empty."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12 - 1)]
"""Steps, rounds, sizes of anything counted; as many digits as a key has room for."""

MemberNumber = Annotated[int, msgspec.Meta(ge=0, le=10**5 - 1)]
IncarnationNumber = Annotated[int, msgspec.Meta(ge=1, le=10**6 - 1)]

Value = bool | int | float | str
"""One hyperparameter's value."""

Metrics = Annotated[
    dict[
        Annotated[str, msgspec.Meta(max_length=MAX_METRIC_NAME)],
        Score | Annotated[list[Score], msgspec.Meta(max_length=MAX_EVALUATIONS)],
    ],
    msgspec.Meta(max_length=MAX_METRICS),
]
"""Evaluations by name: a number, or one for each episode."""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Camel case on the wire, unknown fields ignored: a later version may add what older ones can do without.

    Anything else (a field that must not be ignored, another meaning, a new cause) takes the next format.
    """

    @property
    def key(self) -> str | None:
        """Where this record is stored; None where it doesn't say so itself, or is a part of another one."""
        return None


class Cause(StrEnum):
    """Why an incarnation was born, or why a member's line was closed."""

    INITIAL = "Initial"  # the population began
    EXPLOIT = "Exploit"  # a round's decision: copy a donor and explore
    ROLLBACK = "Rollback"  # no score was finite: back to the member's own newest finite ancestor, or sampled
    RESUME = "Resume"  # the process ended without fault: continue from the member's own newest record
    CRASH = "Crash"  # the process failed: continue from the member's own newest record
    REPLACE = "Replace"  # crashes blame its hyperparameters or weights: a donor's, or drawn again
    SCALE = "Scale"  # the slot is new or came back
    FAILED = "Failed"  # closed: too many crashes
    REMOVED = "Removed"  # closed: scaled away

    @property
    def resumes(self) -> bool:
        """Whether the member continues where it was: no decision, no loss."""
        return self in {Cause.RESUME, Cause.CRASH}

    @property
    def closes(self) -> bool:
        """Whether this ends a member's line: no process is started for it."""
        return self in {Cause.FAILED, Cause.REMOVED}


class Started(StrEnum):
    """How a process that trained already came to its next birth."""

    IN_PLACE = "InPlace"  # the running loop continues with it
    ANEW = "Anew"  # the process ran its command again for it, since the loop couldn't continue


class Ending(StrEnum):
    """How a member said that it is done, before the last step too."""

    FINISHED = "Finished"  # its script said so
    LEFT = "Left"  # its script left the loop: it is done, unless its process ends with an error


class Source(Record, frozen=True, kw_only=True):
    """The checkpoint that a birth starts from: the prefix of its files, and the record that committed it."""

    member: Annotated[MemberNumber, msgspec.Meta(description="The number of the member that wrote it.")]
    incarnation: Annotated[IncarnationNumber, msgspec.Meta(description="The incarnation that wrote it.")]
    step: Annotated[Count, msgspec.Meta(description="The step that it was written at.")]
    checkpoint: Annotated[str, msgspec.Meta(description="The prefix of its files, below `location`.")]
    record: Annotated[
        str, msgspec.Meta(description="The key of the report or save that committed it, below `location`.")
    ]

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Birth(Record, frozen=True, kw_only=True):
    """Orders one incarnation of one member.

    Attributes:
        format: of the record.
        member: whose incarnation it is.
        incarnation: counts the member's lives, from 1.
        cause: why it was born; also what became of the incarnation before.
        hyperparameters: to train with.
        start_step: the step that it continues from; equals `source.step` where there is a source.
        previous_step: reports of the incarnation before count up to this step, later ones never do.
        source: the checkpoint to start from; None for a start from scratch.
        round: the round whose decision this is; None where no round decided it.
        seed_round: seeds random state, with the population's seed and the member; None keeps the checkpoint's.
        crashes: in a row without a record of the member's own, this birth's cause included. No birth sets it back, only
            such a record does.
        blamed: how many births since that record had their hyperparameters blamed for crashes.
        decided: where it follows a crash: the newest decided round then. Absent otherwise, and in records of versions
            that didn't say so.
        sub_population: which part of the population the member belongs to, from 0; all births of a member say the
            same. Absent where there are no parts.
        operations: what explore did, per hyperparameter, in words (`x1.25`, `resampled`).
        reason: one sentence for people.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    cause: Cause
    hyperparameters: dict[str, Value]
    start_step: Count = 0
    previous_step: Count = 0
    source: Source | None = None
    round: Count | None = None
    seed_round: Count | None = 0
    crashes: Count = 0
    blamed: Count | UnsetType = UNSET
    decided: Count | UnsetType = UNSET
    sub_population: Count | UnsetType = UNSET
    operations: dict[str, str] = {}
    reason: str

    @property
    def is_seeded(self) -> bool:
        """Whether random state is seeded, and explore may have changed hyperparameters; else a life is continued."""
        return self.seed_round is not None

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.birth(self.member, self.incarnation)


class Claim(Record, frozen=True, kw_only=True):
    """Written by one process before its first step.

    Attributes:
        format: of the record.
        member: whose birth is taken.
        incarnation: which of its births.
        pod: whose process it is.
        nonce: unique to the process.
        void: the operator closed an unclaimed birth.
        ranks: how many processes train the member together; absent where it is one.
        yields: whether the process looks for requests to continue with another birth; absent where it doesn't.
        requests: how many it looks for in this life, one after another; absent where it is one, or none.
        started: how the process came to it; absent for one that begins with it, and in records of early versions.
        why: where it was started anew, what kept the running loop from continuing.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    pod: str
    nonce: str
    void: bool = False
    ranks: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET
    yields: bool | UnsetType = UNSET
    requests: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET
    started: Started | UnsetType = UNSET
    why: str | UnsetType = UNSET

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.claim(self.member, self.incarnation)


class File(Record, frozen=True, kw_only=True):
    """One file of a checkpoint, by its name below the checkpoint's prefix."""

    name: str
    size: Count
    sha256: str


class Report(Record, frozen=True, kw_only=True):
    """One evaluation, or a save between rounds: the commit record of its checkpoint.

    Attributes:
        format: of the record.
        member: whose report it is.
        incarnation: the life that wrote it.
        step: that was evaluated, and that the checkpoint holds.
        round: the round of a ready report; None for a save.
        metrics: numbers, or lists of numbers (episodes). Empty for a save.
        hyperparameters: as assigned by the birth. They are what is copied and explored.
        effective: what the optimizers really use at this step, annealing included.
        checkpoint: the prefix of the checkpoint's files.
        files: what lies below that prefix.
        seconds: training time since this incarnation's previous record, by a monotonic clock; waiting isn't in it.
        waited: seconds that its process waited at gates since the record before; absent where it didn't.
        starting: in the first record of a life: seconds from the start of its process, or from the last step of the
            life before in the same process, to its first step, without waiting. Absent in later records.
        notes: what a person should know (a fresh optimizer after an exploit, a hyperparameter never read).
        ending: the member is done with this record; absent in all others.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    round: Count | None
    metrics: Metrics
    hyperparameters: dict[str, Value]
    effective: dict[str, Value | list[Value]] = {}
    checkpoint: str
    files: list[File]
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    waited: Annotated[float, msgspec.Meta(ge=0)] | UnsetType = UNSET
    starting: Annotated[float, msgspec.Meta(ge=0)] | UnsetType = UNSET
    notes: list[str] = []
    ending: Ending | UnsetType = UNSET

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        if self.round is None:
            return keys.save(self.member, self.incarnation, self.step)
        return keys.report(self.round, self.member, self.incarnation)

    @property
    def ends(self) -> bool:
        """Whether the member is done with it."""
        return self.ending is not UNSET

    @property
    def source(self) -> Source:
        """This record's checkpoint, as a birth names it."""
        return Source(
            member=self.member,
            incarnation=self.incarnation,
            step=self.step,
            checkpoint=self.checkpoint,
            record=self.key,
        )

    def values(self, metric: str) -> list[float]:
        """The evaluations of `metric`: one for a number, all for a list, none where it is missing."""
        value = self.metrics.get(metric, [])
        return [float(item) for item in (value if isinstance(value, list) else [value])]

    def is_unscored(self, metric: str) -> bool:
        """Whether `metric` is an empty list: there are too few evaluations so far."""
        return self.metrics.get(metric) == []

    def score(self, metric: str) -> float | None:
        """The mean of `metric`; None if it is missing, empty or not finite."""
        values = self.values(metric)
        if not values:
            return None
        try:
            mean = math.fsum(values) / len(values)
        except (OverflowError, ValueError):  # the sum overflows, or both infinities are in it
            return None
        return mean if math.isfinite(mean) else None
