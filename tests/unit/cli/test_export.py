"""`pbt export`: what is in the file is what is in the records."""

import csv
import io
import json
import math

import pytest

from pbt_contract.encoding import encode
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.export import FORMS
from pbt_operator.cli.options import Exported, Form
from pbt_operator.core.end_record import End
from pbt_operator.records.archive import read_archive
from pbt_operator.records.rows import TABLES, table_of
from unit.page.populations import record_simulated


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "long"
    recorder = record_simulated(FolderStore(folder), members=4, num_rounds=6, nans=0.2, end=False)
    recorder.raise_total(1400)
    newest = recorder.history.newest_birth(0)
    odd = {"val_accuracy": [0.1, "NaN"], 'a "quoted", name': 2.0, "loss": "-Infinity"}
    recorder.report(newest, 1400, 0.5, metrics=odd, notes=["a\nline"])
    end = End(member=0, incarnation=1, pod="p", exit_code=1, message="red\x1b[31m\nand\rmore")
    recorder.store.create(end.key, encode(end))
    return folder


def test_the_options_are_the_tables_and_forms_that_there_are():
    assert [*Exported] == [*TABLES]
    assert [*Form] == [*FORMS]


@pytest.mark.parametrize("name", TABLES)
def test_json_lines_hold_every_row_of_a_table(pbt, run, name):
    ended = pbt("export", run, "--to", "jsonl", "--table", name)
    assert (ended.code, ended.err) == (0, "")
    found = [json.loads(line) for line in ended.out.splitlines()]
    expected = list(table_of(read_archive(FolderStore(run)), name).rows)
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert found == [{column: as_json(value) for column, value in row.items()} for row in expected]


def as_json(value):
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


@pytest.mark.parametrize("name", TABLES)
def test_csv_holds_every_row_of_a_table(pbt, run, tmp_path, name):
    file = tmp_path / "new" / "folder" / f"{name}.csv"
    ended = pbt("export", run, "--to", "csv", "--table", name, "-o", file)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    with file.open(newline="") as lines:
        found = list(csv.DictReader(lines))
    expected = list(table_of(read_archive(FolderStore(run)), name).rows)
    assert [read_back(row, like) for row, like in zip(found, expected, strict=True)] == [
        {column: as_json(value) for column, value in row.items()} for row in expected
    ]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def read_back(row, like):
    """A row of the file, by the types of the one that it should be."""
    return {column: value_of(text, as_json(like[column])) for column, text in row.items()}


def value_of(text, like):
    """What a cell stands for."""
    if isinstance(like, str):
        return text.removeprefix("'")
    return None if text == "" and like is None else json.loads(text)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_text_is_a_formula_of_a_spreadsheet_and_numbers_stay_numbers(pbt, tmp_path, text):
    recorder = record_simulated(FolderStore(tmp_path / "run"), members=2, num_rounds=2, end=False)
    end = End(member=0, incarnation=1, pod="p", exit_code=-9, message=text)
    recorder.store.create(end.key, encode(end))
    asked = ("export", tmp_path / "run", "--table", "ends", "--to")
    [row] = csv.DictReader(io.StringIO(pbt(*asked, "csv").out, newline=""))
    assert (row["message"], row["exit_code"]) == (f"'{text}", "-9")
    assert json.loads(pbt(*asked, "jsonl").out)["message"] == text


def test_a_number_that_is_none_stays_what_the_records_have(pbt, run):
    rows = csv.DictReader(io.StringIO(pbt("export", run, "--to", "csv").out))
    assert "-Infinity" in {row["metrics.loss"] for row in rows}


def test_a_terminal_gets_nothing_to_obey_and_a_file_the_very_text(pbt, run, monkeypatch):
    asked = ("export", run, "--to", "csv", "--table", "ends")
    assert '"red\x1b[31m\nand\rmore"' in pbt(*asked).out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    head, line = pbt(*asked).out.splitlines()
    assert head.startswith("member,incarnation,pod,")
    assert '"red\\x1b[31m\\nand\\rmore"' in line


def test_a_folder_is_no_file_to_write(pbt, run, tmp_path):
    ended = pbt("export", run, "--to", "csv", "-o", tmp_path)
    assert ended.code == 2
    assert f"{tmp_path} is a folder; name a file in it, such as {tmp_path / 'reports.csv'}" in ended.err


def test_where_there_is_no_population_nothing_is_written(pbt, tmp_path):
    ended = pbt("export", tmp_path / "none", "--to", "csv", "-o", tmp_path / "out.csv")
    assert ended.code == 2
    assert not (tmp_path / "out.csv").exists()
