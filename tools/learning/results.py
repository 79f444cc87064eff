"""The file of results: a line of JSON for each run, appended at once, so that a run that was stopped is continued."""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from learning.judging import Cell
from learning.registered import Range

Key = tuple[str, str, int, str, int]
"""Task, form, members, arm, seed: what is run once."""


class Row(msgspec.Struct, frozen=True):
    """One run. What else a line has isn't needed again.

    Attributes:
        score: the true score of the member that was named, None where the run failed.
        observed: the score by which it was named, None where there was none.
        seconds: of CPU.
        error: why it failed.
    """

    task: str
    form: str
    members: int
    arm: str
    seed: int
    score: float | None = None
    observed: float | None = None
    replaced: int = 0
    steps: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def key(self) -> Key:
        """What was run."""
        return self.task, self.form, self.members, self.arm, self.seed


class Results:
    """A file of results. Its first line says of which commit and machine they are."""

    def __init__(self, file: Path) -> None:
        """Reads the file, if there is one. A line that a stopped run left unfinished is dropped."""
        self.file, self._lock = file, Lock()
        self.head: dict[str, Any] = {}
        self.rows: dict[Key, Row] = {}
        if file.exists():
            whole = file.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            if kept != whole:
                file.write_bytes(kept)
            head, *rows = kept.splitlines() or [b"{}"]
            self.head = msgspec.json.decode(head)
            found = (msgspec.json.decode(row, type=Row) for row in rows)
            self.rows = {row.key: row for row in found if row.error is None}

    def begin(self, head: dict[str, Any]) -> None:
        """Writes the first line, where there is none."""
        if not self.head:
            self.head = head
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._append(head)

    def add(self, row: Row) -> None:
        """Appends a run. One that failed is told, and is run again when the file is continued."""
        with self._lock:
            self._append(row)
            if row.error is None:
                self.rows[row.key] = row

    def _append(self, line: Any) -> None:
        with self.file.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def samples(rows: Iterable[Row], ranges: dict[str, Range]) -> dict[Cell, dict[str, dict[int, float]]]:
    """The true scores in units of their tasks' ranges: by cell, arm and seed."""
    found: dict[Cell, dict[str, dict[int, float]]] = {}
    for row in rows:
        if row.score is not None and row.task in ranges:
            known = ranges[row.task]
            share = (row.score - known.start) / (known.optimum - known.start)
            cell = found.setdefault(Cell(row.task, row.form, row.members), {})
            cell.setdefault(row.arm, {})[row.seed] = share
    return found
