"""How long trainers live is seen from the outside, and is more than their records explain."""

import sys
from pathlib import Path

import pytest

from bench.spent import told, watch
from pbt_contract.stores import open_store
from pbt_operator.records.archive import read_archive

ROOT = Path(__file__).parents[3]
PBT = Path(sys.executable).with_name("pbt")


@pytest.mark.process
def test_the_trainers_of_a_run_are_seen_with_all_the_time_that_they_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    lives, seconds = watch([str(PBT), "run", "examples/toy.yaml", "--dir", str(tmp_path)])
    processes, lived = lives.of("toy")
    found = read_archive(open_store(str(tmp_path / "toy")))
    assert processes == len(found.births)
    assert sum(report.seconds for report in found.reports.values()) < lived < processes * seconds
    assert told("toy", lives, tmp_path).startswith("toy: in vain ")
    assert f"of {processes} processes" in told("toy", lives, tmp_path)
