"""What is more than a report may hold is an error in the script, which says what to report instead."""

from pathlib import Path

import pytest

import pbt_trainer
from pbt_contract.errors import StateError, UsageError
from pbt_contract.limits import MAX_EVALUATIONS, MAX_METRIC_NAME, MAX_METRICS
from pbt_trainer.session.metrics import plain
from pbt_trainer.state.files import snapshot


def test_as_many_evaluations_as_a_report_holds_are_taken() -> None:
    assert len(plain({"score": [0.5] * MAX_EVALUATIONS})["score"]) == MAX_EVALUATIONS  # type: ignore[arg-type]


def test_more_evaluations_are_refused_with_what_to_report() -> None:
    told = f"'returns' is a list of 120000; .* {MAX_EVALUATIONS} evaluations at the most: report their mean"
    with pytest.raises(UsageError, match=told):
        plain({"returns": [0.5] * 120_000})


def test_many_metrics_and_long_names_are_refused() -> None:
    with pytest.raises(UsageError, match=f"given 300 metrics; a report holds {MAX_METRICS}"):
        plain({f"m{number}": 0.0 for number in range(300)})
    with pytest.raises(UsageError, match=f"has 500 characters; {MAX_METRIC_NAME} is the most"):
        plain({"m" * 500: 0.0})


def test_a_window_that_no_report_can_hold_is_refused_when_it_is_made() -> None:
    with pytest.raises(UsageError, match=f"Window.5000.: a report holds {MAX_EVALUATIONS}"):
        pbt_trainer.Window(5000, at_least=10)


def test_more_files_than_a_report_can_name_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    for number in range(6000):
        (source / f"{number:05}.txt").touch()
    told = r"the names of 6000 files are more than a report may hold; .* archive"
    with pytest.raises(StateError, match=told):
        snapshot(source, tmp_path / "spool")
