"""How long trainers live is seen from the outside, and is more than their records explain."""

import sys
from pathlib import Path

import pytest
from msgspec import UNSET, UnsetType

from bench.spent import starting, told, watch
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Claim, Report, Started
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
    causes = starting(found.reports.values(), tmp_path / "toy", lives.began)
    assert sum(causes.values()) == pytest.approx(sum(r.starting or 0.0 for r in found.reports.values()))
    assert causes["until the claim"] > causes["from the claim on"] > 0
    assert causes["in place"] == causes["run again"] == 0


@pytest.mark.process
def test_a_command_of_another_checkout_runs_there_and_without_our_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "tools:tests")
    code = "import os; open('found', 'w').write(os.environ.get('PYTHONPATH', 'none'))"
    watch([sys.executable, "-c", code], folder=tmp_path)
    assert (tmp_path / "found").read_text() == "none"


def test_starting_is_told_by_its_causes(tmp_path):
    """A claim says whether its process was new; that one is split where it claimed its life."""
    store, records = open_store(str(tmp_path)), list[Report]()
    for member, how in enumerate((UNSET, UNSET, Started.IN_PLACE, Started.ANEW)):
        claim = Claim(member=member, incarnation=1, pod=f"pod-{member}", nonce="n", started=how)
        store.create(claim.key, encode(claim))
        records.append(record(member, starting=10.0 + member))
    began = (tmp_path / keys.claim(0, 1)).stat().st_mtime - 4.0
    assert starting([*records, record(0)], tmp_path, {"pod-0": began}) == pytest.approx(
        {"until the claim": 4.0, "from the claim on": 6.0 + 11.0, "in place": 12.0, "run again": 13.0}
    )


def record(member: int, *, starting: float | UnsetType = UNSET) -> Report:
    return Report(
        member=member,
        incarnation=1,
        step=1,
        round=1,
        metrics={},
        hyperparameters={},
        checkpoint=keys.checkpoint(member, 1, 1, "n"),
        files=[],
        seconds=1.0,
        starting=starting,
    )
