"""Records as bytes and back: canonical JSON, the format's number, and what a reader refuses."""

import math
from collections.abc import Iterator
from itertools import chain
from threading import Lock
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.errors import KeyRefused, NewerFormat, RecordRefused
from pbt_contract.key_rules import check_key
from pbt_contract.limits import LONGEST_SECONDS, most_bytes
from pbt_contract.records import FORMAT, File, Record, Report
from pbt_contract.scores import is_score
from pbt_contract.text import quoted

R = TypeVar("R")
TIMES = ("seconds", "waited", "starting")
PLAIN = (str, int, type(None))  # most values: there is nothing to look for in them
_decoders: "dict[type, msgspec.json.Decoder[Any]]" = {}
_making = Lock()


class _Header(msgspec.Struct, frozen=True):
    """What is read of every record first."""

    format: int


def encode(record: msgspec.Struct) -> bytes:
    """Canonical JSON: the same record always gives the same bytes.

    Raises:
        RecordRefused: a number in it is not finite. JSON has no such, and a null would stand in its place.
    """
    check_finite(record)
    return canonical(record)


def check_finite(record: msgspec.Struct) -> None:
    """Makes sure that JSON can hold each of its numbers.

    Raises:
        RecordRefused: it can't.
    """
    fields = record.__struct_fields__
    path = next(chain.from_iterable(not_finite(getattr(record, f), f) for f in fields), None)
    if path is not None:
        raise RecordRefused(f"{getattr(record, 'key', None) or type(record).__name__}: {path} is not finite")


def canonical(record: msgspec.Struct) -> bytes:
    """The bytes of a record whose numbers are all finite."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


def not_finite(value: Any, path: str) -> Iterator[str]:
    """Where numbers below `path` are that JSON can't hold."""
    match value:
        case float():
            if not math.isfinite(value):
                yield path
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from not_finite(getattr(value, name), f"{path}.{name}")
        case dict():
            for name, inner in value.items():
                if not isinstance(inner, PLAIN):
                    yield from not_finite(inner, f"{path}.{name}")
        case list():
            for place, inner in enumerate(value):
                yield from not_finite(inner, f"{path}[{place}]")
        case _:
            pass


def decode(kind: type[R], data: bytes, *, key: str, known: int = FORMAT) -> R:
    """Reads a record of `kind`.

    Args:
        kind: what it is.
        data: its bytes.
        key: where they are stored.
        known: the newest format that this kind has.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: it is too large, malformed, or says that it is another record.
    """
    if len(data) > most_bytes(key):
        raise RecordRefused(f"{key}: {len(data)} bytes, this record has at most {most_bytes(key)}")
    check_format(format_of(data, key=key), known=known, key=key)
    try:
        record = _decoder(kind).decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RecordRefused(f"{key}: {quoted(str(error))}") from error
    if isinstance(record, Record) and record.key not in {None, key}:
        raise RecordRefused(f"{key}: the record says that it is {record.key}")
    return record


def format_of(data: bytes, *, key: str) -> int:
    """The format that a record says it has.

    Raises:
        RecordRefused: it says none.
    """
    try:
        return _decoder(_Header).decode(data).format
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RecordRefused(f"{key}: {quoted(str(error))}") from error


def decode_report(data: bytes, *, key: str) -> Report:
    """Reads a report or save, and checks its checkpoint, its files and its metrics.

    Times beyond `LONGEST_SECONDS` are taken for so long: sums of them are shown.

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
    long = {name: LONGEST_SECONDS for name in TIMES if (getattr(report, name) or 0.0) > LONGEST_SECONDS}
    return replace(report, **long) if long else report


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
    if found < FORMAT:
        raise RecordRefused(f"{key}: format {found} doesn't exist, the first one is {FORMAT}")


def _check_checkpoint(report: Report, key: str) -> None:
    told = quoted(report.checkpoint)
    if not report.checkpoint.startswith(keys.checkpoints_of(report.member, report.incarnation)):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not this incarnation's")
    place = keys.checkpoint(report.member, report.incarnation, report.step, "").removesuffix("/")
    if not (report.checkpoint.startswith(place) and report.checkpoint.endswith("/")):
        raise RecordRefused(f"{key}: its checkpoint '{told}' is not a folder of step {report.step}")
    try:
        check_key(report.checkpoint.removesuffix("/"))
    except KeyRefused as refusal:
        raise RecordRefused(f"{key}: its checkpoint: {refusal}") from refusal


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
