"""The records of the storage contract that trainers read and write: births, claims, reports and saves.

Records are written once and never changed. They hold no clock times, so that the same decisions give the same bytes.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec

from pbt_trainer import keys
from pbt_trainer.errors import RecordRefused

FORMAT = 1
MAX_RECORD_BYTES = 4 * 1024 * 1024  # checkpoints are elsewhere: a larger record is an accident or an attack

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12 - 1)]
"""Steps, rounds, sizes of anything counted; as many digits as a key has room for."""

MemberNumber = Annotated[int, msgspec.Meta(ge=0, le=10**5 - 1)]
IncarnationNumber = Annotated[int, msgspec.Meta(ge=1, le=10**6 - 1)]

Value = bool | int | float | str
"""One hyperparameter's value."""

Score = float | str
"""A number; JSON has no NaN or infinities, so they travel as 'NaN', 'Infinity' and '-Infinity'."""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Camel case on the wire, unknown fields ignored, so that a later version may add some."""


class Cause(StrEnum):
    """Why an incarnation was born, or why a member's line was closed."""

    INITIAL = "Initial"  # the population began
    EXPLOIT = "Exploit"  # a round's decision: copy a donor and explore
    ROLLBACK = "Rollback"  # nobody had a finite score: back to the member's own newest finite ancestor, or sampled anew
    RESUME = "Resume"  # the process ended without fault: go on from the member's own newest record
    CRASH = "Crash"  # the process failed: go on from the member's own newest record
    REPLACE = "Replace"  # it failed again and again: born from a donor of the newest decided round
    SCALE = "Scale"  # the slot is new or came back
    FAILED = "Failed"  # closed: too many crashes
    REMOVED = "Removed"  # closed: scaled away

    @property
    def resumes(self) -> bool:
        """Whether the member goes on where it was: no decision, no loss."""
        return self in {Cause.RESUME, Cause.CRASH}

    @property
    def closes(self) -> bool:
        """Whether this is the end of a line and no process is to be started."""
        return self in {Cause.FAILED, Cause.REMOVED}


class Source(Record, frozen=True, kw_only=True):
    """The checkpoint that a birth starts from: the prefix of its files, and the record that committed it."""

    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    checkpoint: str
    record: str


class Birth(Record, frozen=True, kw_only=True):
    """Orders one incarnation of one member.

    Attributes:
        previous_step: reports of the incarnation before count up to this step, later ones never do.
        start_step: the step this incarnation goes on from; equals `source.step` where there is a source.
        parent: the life that `source` was written by, or the one this line was closed after.
        round: the round whose decision this is.
        seed_round: reseed random state with it; None keeps the random state of the checkpoint.
        crashes: crashes in a row without a new record, this birth's cause included.
        operations: what explore did, per hyperparameter, in words (`x1.25`, `resampled`).
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
    operations: dict[str, str] = {}
    reason: str


class Claim(Record, frozen=True, kw_only=True):
    """Taken by one process before its first step; `void` means that the operator closed an unclaimed birth."""

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    pod: str
    nonce: str
    void: bool = False


class File(Record, frozen=True, kw_only=True):
    """One file of a checkpoint, by its name below the checkpoint's prefix."""

    name: str
    size: Count
    sha256: str


class Report(Record, frozen=True, kw_only=True):
    """One evaluation, or a save between rounds: the commit record of its checkpoint.

    Attributes:
        round: the round of a ready report; None for a save.
        metrics: numbers, or lists of numbers (episodes). Empty for a save.
        hyperparameters: as assigned by the birth. They are what is copied and explored.
        effective: what the optimizers really use at this step, annealing included.
        checkpoint: the prefix of the checkpoint's files.
        seconds: training time since this incarnation's previous record, by a monotonic clock.
        notes: what a person should know (a fresh optimizer after an exploit, a hyperparameter never read).
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    round: Count | None
    metrics: dict[str, Score | list[Score]]
    hyperparameters: dict[str, Value]
    effective: dict[str, Value | list[Value]] = {}
    checkpoint: str
    files: list[File]
    seconds: float = 0.0
    notes: list[str] = []

    @property
    def key(self) -> str:
        """Where this record is stored."""
        if self.round is None:
            return keys.save(self.member, self.incarnation, self.step)
        return keys.report(self.round, self.member, self.incarnation)

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


R = TypeVar("R")


def encode(record: msgspec.Struct) -> bytes:
    """Canonical JSON: the same record always gives the same bytes."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


def decode(kind: type[R], data: bytes, *, key: str) -> R:
    """Reads a record of `kind`.

    Raises:
        RecordRefused: it is too large, malformed, or of a format that this version doesn't know.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise RecordRefused(f"{key}: {len(data)} bytes, a record has at most {MAX_RECORD_BYTES}")
    try:
        record = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RecordRefused(f"{key}: {error}") from error
    version = getattr(record, "format", FORMAT)
    if version != FORMAT:
        raise RecordRefused(f"{key}: format {version}, this version reads format {FORMAT}")
    return record


def decode_report(data: bytes, *, key: str) -> Report:
    """Reads a report or save and checks that it speaks of its own key, its own checkpoint and of numbers.

    Raises:
        RecordRefused: it doesn't.
    """
    report = decode(Report, data, key=key)
    if report.key != key:
        raise RecordRefused(f"{key}: the record says that it is {report.key}")
    if not report.checkpoint.startswith(keys.checkpoints_of(report.member, report.incarnation)):
        raise RecordRefused(f"{key}: its checkpoint {report.checkpoint!r} is not this incarnation's")
    for file in report.files:
        keys.check(report.checkpoint + file.name)
    try:
        for metric in report.metrics:
            report.values(metric)
    except ValueError as error:
        raise RecordRefused(f"{key}: a metric is not a number: {error}") from error
    return report


def wire_metrics(metrics: Mapping[str, float | Sequence[float]]) -> dict[str, Score | list[Score]]:
    """Metrics as JSON can hold them."""
    return {
        name: [_wire(item) for item in value] if isinstance(value, Sequence) else _wire(value)
        for name, value in metrics.items()
    }


def _wire(value: float) -> Score:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def sha256(data: bytes | memoryview | Any) -> str:
    """The checksum that records carry, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
