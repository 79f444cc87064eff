"""Records as bytes and back: canonical JSON, the format's number, and what a reader refuses."""

from threading import Lock
from typing import Any, TypeVar

import msgspec

from pbt_contract import keys
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.key_rules import check_key
from pbt_contract.records import FORMAT, MAX_RECORD_BYTES, File, Record, Report
from pbt_contract.scores import is_score
from pbt_contract.text import quoted

R = TypeVar("R")
_decoders: "dict[type, msgspec.json.Decoder[Any]]" = {}
_making = Lock()


class _Header(msgspec.Struct, frozen=True):
    """What is read of every record first."""

    format: int


def encode(record: msgspec.Struct) -> bytes:
    """Canonical JSON: the same record always gives the same bytes."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


def decode(kind: type[R], data: bytes, *, key: str) -> R:
    """Reads a record of `kind`.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: it is too large, malformed, or says that it is another record.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise RecordRefused(f"{key}: {len(data)} bytes, a record has at most {MAX_RECORD_BYTES}")
    try:
        check_format(_decoder(_Header).decode(data).format, known=FORMAT, key=key)
        record = _decoder(kind).decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RecordRefused(f"{key}: {quoted(str(error))}") from error
    if isinstance(record, Record) and record.key not in {None, key}:
        raise RecordRefused(f"{key}: the record says that it is {record.key}")
    return record


def decode_report(data: bytes, *, key: str) -> Report:
    """Reads a report or save, and checks its checkpoint, its files and its metrics.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: it is malformed, its checkpoint is not its own or can't lie in a folder, or a metric is no
            number.
    """
    report = decode(Report, data, key=key)
    _check_checkpoint(report, key)
    _check_files(report.checkpoint, report.files, key)
    for value in report.metrics.values():
        for item in value if isinstance(value, list) else [value]:
            if not is_score(item):
                raise RecordRefused(f"{key}: a metric is not a number: '{quoted(str(item))}'")
    return report


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


def _check_checkpoint(report: Report, key: str) -> None:
    told = quoted(report.checkpoint)
    if not report.checkpoint.startswith(keys.checkpoints_of(report.member, report.incarnation)):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not this incarnation's")
    place = keys.checkpoint(report.member, report.incarnation, report.step, "").removesuffix("/")
    if not (report.checkpoint.startswith(place) and report.checkpoint.endswith("/")):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not a folder of step {report.step}")


def _check_files(checkpoint: str, files: list[File], key: str) -> None:
    names: set[str] = set()
    for file in files:
        check_key(checkpoint + file.name)
        if file.name in names:
            raise RecordRefused(f"{key}: it names the file {quoted(file.name)} twice")
        names.add(file.name)
    for name in names:
        if any(name[:end] in names for end, character in enumerate(name) if character == "/"):
            raise RecordRefused(f"{key}: the file {quoted(name)} lies in what is a file too")


def _decoder(kind: type[R]) -> "msgspec.json.Decoder[R]":
    """The one decoder of a type. Made by one thread at a time: two at once crash msgspec (0.22)."""
    known: msgspec.json.Decoder[R] | None = _decoders.get(kind)
    if known is None:
        with _making:
            known = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return known
