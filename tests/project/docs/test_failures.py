"""The page about failures is true: its tests exist, and its reasons are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbt_operator.runners.kubernetes.conditions import KINDS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "failures.md"
COLUMNS = ["event", "what happens", "what you see", "what to do", "proved by"]
CONDITIONS = set(KINDS)
REASON = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)(?:\[[^\]`]*\])?`")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def tables() -> Iterator[tuple[list[str], list[list[str]]]]:
    """Head and rows of each table."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        head, _, *rows = table.splitlines()
        yield cells(head), [cells(row) for row in rows]


ROWS = [row for head, rows in tables() if head == COLUMNS for row in rows]
NAMED = sorted(set(re.findall(rf"`({REASON.pattern})`", PAGE.read_text())))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_is_whole_and_names_tests_that_exist(row):
    assert len(row) == len(COLUMNS)
    assert all(row), row
    assert re.fullmatch(rf"{TEST.pattern}(, {TEST.pattern})*", row[-1]), row[-1]
    for file, name in TEST.findall(row[-1]):
        assert name in functions(ROOT / "tests" / file), f"{file}::{name}"


def test_each_test_beside_the_tables_exists():
    for file, name in TEST.findall(PAGE.read_text()):
        assert name in functions(ROOT / "tests" / file), f"{file}::{name}"


def test_every_event_is_in_one_row():
    events = [row[0] for row in ROWS]
    assert len(events) == len(set(events)) > 40


def test_every_reason_of_the_page_is_in_the_code():
    assert set(NAMED) <= {*reasons(), *CONDITIONS}


def test_every_reason_of_the_code_is_in_the_page():
    assert reasons() <= set(NAMED)


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def reasons() -> set[str]:
    """The reasons of all Events and conditions."""
    found: set[str] = set()
    for file in sorted((ROOT / "operator" / "pbt_operator").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                found |= set(told_in(node))
    assert {"Exploited", "Unreachable", "StorageUnreachable", "QuotaExceeded", "NotEnded"} <= found
    return found


PLACES = {"Event": 0, "Rejected": 0, "Reached": 0, "Outcome": 1, "Condition": 2}
"""Where the reason stands among the arguments."""


def told_in(function: ast.FunctionDef) -> Iterator[str]:
    """Reasons as a function writes them, or as it chooses them for its variable `reason`."""
    chosen = [
        text
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reason"
        for text in texts(node.value)
    ]
    for node in ast.walk(function):
        place = PLACES.get(ast.unparse(node.func)) if isinstance(node, ast.Call) else None
        if place is None or len(node.args) <= place:
            continue
        match node.args[place]:
            case ast.Name(id="reason"):
                yield from chosen
            case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), ast.FormattedValue()]):
                yield from (prefix + text for text in chosen)
            case written:
                yield from texts(written)


def texts(value: ast.expr) -> Iterator[str]:
    """What a string, or a choice between strings, may be."""
    match value:
        case ast.Constant(value=str(text)) if REASON.fullmatch(text):
            yield text
        case ast.IfExp():
            yield from texts(value.body)
            yield from texts(value.orelse)
