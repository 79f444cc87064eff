"""A file of results survives a run that was stopped, and says what it is of."""

import pytest

from learning.judging import Cell
from learning.registered import Range
from learning.results import Results, Row, samples

ROW = Row("paper", "constant", 8, "random", 3, score=0.49125, observed=0.5, steps=1600)


def test_a_line_that_a_stopped_run_left_unfinished_is_dropped_and_run_again(tmp_path):
    file = tmp_path / "bench-results" / "learning.jsonl"
    results = Results(file)
    results.begin({"commit": "abc"})
    results.add(ROW)
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"task":"paper","form":"con')
    again = Results(file)
    again.begin({"commit": "of later"})
    assert (again.head, again.rows) == ({"commit": "abc"}, {ROW.key: ROW})
    assert file.read_bytes() == whole


def test_a_run_that_failed_is_on_file_and_is_run_again(tmp_path):
    results = Results(tmp_path / "learning.jsonl")
    results.begin({})
    results.add(Row("paper", "constant", 8, "tpe", 3, error="out of memory"))
    again = Results(tmp_path / "learning.jsonl")
    assert again.rows == {}
    assert "out of memory" in again.file.read_text()


def test_samples_are_in_units_of_the_ranges():
    known = {"paper": Range(start=-0.2175, optimum=1.2, source="")}
    found = samples([ROW, Row("unknown", "constant", 8, "random", 3, score=1.0)], known)
    assert found == {Cell("paper", "constant", 8): {"random": {3: pytest.approx(0.5)}}}
