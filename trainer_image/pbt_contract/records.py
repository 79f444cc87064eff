"""The records of the storage contract that trainers read and write: births, claims, yields, reports and saves.

Records are written once and never changed. They hold no clock times, so that the same decisions give the same bytes.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from threading import Lock
from typing import Annotated, Any, TypeVar

import msgspec

from pbt_contract import keys
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.text import quoted

FORMAT = 1
MAX_RECORD_BYTES = 4 * 1024 * 1024  # checkpoints are elsewhere: a larger record is an accident or an attack
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12 - 1)]
"""Steps, rounds, sizes of anything counted; as many digits as a key has room for."""

MemberNumber = Annotated[int, msgspec.Meta(ge=0, le=10**5 - 1)]
IncarnationNumber = Annotated[int, msgspec.Meta(ge=1, le=10**6 - 1)]

Value = bool | int | float | str
"""One hyperparameter's value."""

Score = float | str
"""A number; JSON has no NaN or infinities, so they travel as 'NaN', 'Infinity' and '-Infinity'."""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Camel case on the wire, unknown fields ignored: a later version may add what older ones can do without.

    Anything else (a field that must not be ignored, another meaning, a new cause) takes the next format.
    """

    @property
    def key(self) -> str | None:
        """Where this record is stored; None where it doesn't say so itself, or is a part of another one."""
        return None


class Header(msgspec.Struct, frozen=True):
    """What is read of every record first."""

    format: int


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

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


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

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.birth(self.member, self.incarnation)


class Claim(Record, frozen=True, kw_only=True):
    """Taken by one process before its first step; `void` means that the operator closed an unclaimed birth."""

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    pod: str
    nonce: str
    void: bool = False

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.claim(self.member, self.incarnation)


class LifeName(Record, frozen=True, kw_only=True):
    """A life as a record names it."""

    member: MemberNumber
    incarnation: IncarnationNumber

    @property
    def life(self) -> Life:
        """The life that it names."""
        return Life(self.member, self.incarnation)


class Yield(Record, frozen=True, kw_only=True):
    """Asks the process that lives an incarnation to go on as another member; its own waits for a place from then on.

    Attributes:
        to: whose birth it is to claim.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    to: LifeName

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.yielded(self.member, self.incarnation)


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
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    notes: list[str] = []

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
_decoders: "dict[type, msgspec.json.Decoder[Any]]" = {}
_making = Lock()


def encode(record: msgspec.Struct) -> bytes:
    """Canonical JSON: the same record always gives the same bytes."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


def _decoder(kind: type[R]) -> "msgspec.json.Decoder[R]":
    """The one decoder of a type. Made by one thread at a time: two at once crash msgspec (0.22)."""
    known: msgspec.json.Decoder[R] | None = _decoders.get(kind)
    if known is None:
        with _making:
            known = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return known


def decode(kind: type[R], data: bytes, *, key: str) -> R:
    """Reads a record of `kind`.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: it is too large, malformed, or says that it is another record.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise RecordRefused(f"{key}: {len(data)} bytes, a record has at most {MAX_RECORD_BYTES}")
    try:
        check_format(_decoder(Header).decode(data).format, known=FORMAT, key=key)
        record = _decoder(kind).decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RecordRefused(f"{key}: {quoted(str(error))}") from error
    if isinstance(record, Record) and record.key not in {None, key}:
        raise RecordRefused(f"{key}: the record says that it is {record.key}")
    return record


def check_format(found: int, *, known: int, key: str) -> None:
    """Makes sure that something stored is of the format that this version knows.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: no version has ever written such a format.
    """
    if found > known:
        raise NewerFormat(
            f"{key}: format {found}, and this version reads format {known}: a newer version wrote it; "
            "upgrade what can't read it: the operator, pbt, or pbt_trainer in the trainer's image"
        )
    if found < known:
        raise RecordRefused(f"{key}: format {found} doesn't exist, the first one is {known}")


def decode_report(data: bytes, *, key: str) -> Report:
    """Reads a report or save and checks that its checkpoint is its own and can lie in a folder, and its numbers.

    Raises:
        RecordRefused: it isn't.
    """
    report = decode(Report, data, key=key)
    told = quoted(report.checkpoint)
    if not report.checkpoint.startswith(keys.checkpoints_of(report.member, report.incarnation)):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not this incarnation's")
    place = keys.checkpoint(report.member, report.incarnation, report.step, "").removesuffix("/")
    if not (report.checkpoint.startswith(place) and report.checkpoint.endswith("/")):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not a folder of step {report.step}")
    names: set[str] = set()
    for file in report.files:
        keys.check(report.checkpoint + file.name)
        if file.name in names:
            raise RecordRefused(f"{key}: it names the file {quoted(file.name)} twice")
        names.add(file.name)
    for name in names:
        if any(name[:end] in names for end, character in enumerate(name) if character == "/"):
            raise RecordRefused(f"{key}: the file {quoted(name)} lies in what is a file too")
    for value in report.metrics.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item not in _NOT_FINITE:
                raise RecordRefused(f"{key}: a metric is not a number: '{quoted(item)}'")
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
