"""`pbt export`: the records as a table, for spreadsheets, notebooks and other programs."""

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from pbt_contract.scores import NOT_FINITE
from pbt_contract.text import escaped
from pbt_operator.cli.output import Mistake, read_population, whole_file
from pbt_operator.records.rows import Cell, Table, table_of

_INFINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that a spreadsheet would run, though it may be a crashed trainer's last words."""


def export(location: str, *, form: str, table: str, to: Path | None) -> None:
    """Writes a table of the records, a file whole or not at all.

    Args:
        location: of the population.
        form: one of `FORMS`.
        table: one of `records.rows.TABLES`.
        to: the file; standard output where None.

    Raises:
        Mistake: the file is a folder.
    """
    found = table_of(read_population(location), table)
    if to is None:
        shown = _Escaping(sys.stdout) if sys.stdout.isatty() else sys.stdout
        FORMS[form](found, shown)
        return
    if to.is_dir():
        raise Mistake(f"{to} is a folder; name a file in it, such as {to / f'{table}.{form}'}")
    with whole_file(to) as incoming, incoming.open("w", encoding="utf-8", newline="") as stream:
        FORMS[form](found, stream)


class _Escaping:
    """A terminal, which would obey control characters in what others have written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        """A line, with its end."""
        return self._stream.write(escaped(line.removesuffix("\n")) + "\n")


class _Lines:
    """Ends lines with a line feed alone: asked for that, Python's csv leaves a carriage return in a text unquoted."""

    def __init__(self, stream: "TextIO | _Escaping") -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        """A row, with its end."""
        return self._stream.write(line.removesuffix("\r\n") + "\n")


def _write_csv(table: Table, stream: "TextIO | _Escaping") -> None:
    writer = csv.writer(_Lines(stream), lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(map(_text, (row[column] for column in table.columns)) for row in table.rows)


def _write_jsonl(table: Table, stream: "TextIO | _Escaping") -> None:
    for row in table.rows:
        plain = {column: _as_json(row[column]) for column in table.columns}
        stream.write(json.dumps(plain, allow_nan=False) + "\n")


FORMS: dict[str, Callable[[Table, "TextIO | _Escaping"], None]] = {"csv": _write_csv, "jsonl": _write_jsonl}
"""What `--to` takes."""


def _text(value: Cell) -> str:
    """A cell of a CSV file: empty for None, JSON for a list and for true and false, no formula of a spreadsheet."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    value = _as_json(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _as_json(value: Cell) -> Cell:
    """As the records write it: what JSON has no number for, as one of the words of `NOT_FINITE`."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_scalar(item) for item in value]
    return value if value is None else _scalar(value)


def _scalar(value: bool | float | str) -> bool | int | float | str:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    word = _INFINITE.get(value, "NaN")
    assert word in NOT_FINITE, "as records have it"
    return word
