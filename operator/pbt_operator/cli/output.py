"""What all commands share: opening a location, plain text and tables, JSON, and mistakes in how they were called."""

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from pbt_contract import keys
from pbt_contract.errors import NotFound, PbtError, StoreRefused
from pbt_contract.key_rules import is_key
from pbt_contract.stores import Store, open_store
from pbt_contract.text import escaped, quoted
from pbt_operator.cli import program
from pbt_operator.core.status import Status
from pbt_operator.records.archive import Archive, read_archive

READERS = 16
MAX_SUGGESTIONS = 5
MAX_LISTED = 200
LONGEST = 4000
WIDEST = 10_000  # a terminal wraps long lines; cut columns are of no use to anybody


class Mistake(PbtError):
    """The command was called with something that isn't there; its exit code is 2."""


class NoPopulation(Mistake):
    """Nothing of that name or at that place is a population."""


def open_location(location: str) -> Store:
    """The store of a location as it was typed.

    Raises:
        Mistake: it is neither a folder nor s3://BUCKET/PREFIX.
    """
    try:
        return open_store(location)
    except StoreRefused as error:
        raise Mistake(str(error)) from error


@contextmanager
def opened_population(location: str) -> Iterator[Store]:
    """The store of a location, to read a population from.

    Raises:
        NoPopulation: the reading has found none; the message names those one level below.
    """
    store = open_location(location)
    try:
        yield store
    except NotFound:
        places = [f"{location.rstrip('/')}/{name}" for name in islice(_below(store), MAX_SUGGESTIONS)]
        guess = f"; did you mean {' or '.join(places)}?" if places else ""
        raise NoPopulation(f"there is no population at {location}{guess}") from None


def read_population(location: str) -> Archive:
    """The story that is recorded at a location. What it refuses to read is told on standard error.

    Raises:
        NoPopulation: there is none.
    """
    with opened_population(location) as store:
        told = read_archive(store, readers=READERS)
    if told.refused:
        first = next(iter(told.refused.values()))
        complain(f"{len(told.refused)} malformed records are left out, the first: {first}")
    return told


def file_stem(archive: Archive) -> str:
    """What files about the population are called; a name that is no plain file name could lead anywhere."""
    name = archive.record.name
    return name if is_key(name) and "/" not in name else "population"


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A file to fill in its place: it appears under `target` when the block ends well, and else nowhere."""
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(f".{target.name}.tmp")
    try:
        yield incoming
        incoming.replace(target)
    finally:
        incoming.unlink(missing_ok=True)


def _below(store: Store) -> Iterator[str]:
    """The populations one level below, found by jumping from one name at the top to the next."""
    after = ""
    for _ in range(MAX_LISTED):
        key = next(store.names("", start_after=after), None)
        if key is None:
            return
        name, slash, _ = key.partition("/")
        if slash and next(store.names(f"{name}/{keys.SPECS}"), None) is not None:
            yield name
        after = f"{name}0" if slash else key  # the character behind the slash


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"{program()}: {quoted(' '.join(text.split()), size=LONGEST)}", file=sys.stderr)


def say(text: str = "") -> None:
    """One line; what terminals would obey in it is escaped."""
    print(escaped(text))


def standing(status: Status) -> str:
    """The phase and why: `Complete (Finished: spec.finish is true: it was ended early)`."""
    told = f"{status.reason}: {status.message}" if status.message else status.reason
    return f"{status.phase} ({told})"


def say_json(record: msgspec.Struct | dict[str, Any]) -> None:
    """A record as JSON, in its own words."""
    print(json.dumps(msgspec.to_builtins(record), indent=2))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> None:
    """A table in columns as wide as their content; on a terminal with a rule and a bold head."""
    right = set(map(escaped, right))
    columns, *cells = [[escaped(cell) for cell in row] for row in [columns, *rows]]
    if sys.stdout.isatty():
        _rich_table(columns, cells, right)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        padded = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        print("  ".join(padded).rstrip())


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False, width=WIDEST).print(table)
