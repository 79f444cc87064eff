"""Which checkpoint is meant: the contract says what the operator's own archive says."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.chosen import choose
from pbt_contract.encoding import encode
from pbt_contract.errors import NewerFormat, NotFound
from pbt_contract.stores.folder import FolderStore
from pbt_operator.core.standing import standing_of
from pbt_operator.core.status import Best
from pbt_operator.records.archive import read_archive
from unit.page.populations import record_simulated, record_small


@pytest.mark.parametrize("goal", ["Maximize", "Minimize"])
@pytest.mark.parametrize(("crashes", "end"), [(0.02, True), (0.3, True), (0.3, False)])
def test_the_choice_is_that_of_the_archive(goal: str, crashes: float, end: bool, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    objective = {"metric": "val_accuracy", "goal": goal}
    record_simulated(store, num_rounds=12, crashes=crashes, end=end, nans=0.1, objective=objective)
    archive = read_archive(store)
    assert archive.best
    assert archive.final
    assert choose(store, "best").key == archive.best.source.record
    assert choose(store, "final").key == archive.final.source.record
    for member in range(8):
        newest = archive.history.newest_record(member)
        assert newest
        assert choose(store, member).key == newest.key


def test_what_a_result_calls_final_stays_so(tmp_path: Path) -> None:
    """Earlier versions wrote results with the best of the last round that was decided."""
    store = FolderStore(tmp_path)
    recorder = record_small(store)
    assert choose(store, "final").key == keys.report(2, 1, 2)
    archive = read_archive(store)
    assert archive.result is not None
    other = recorder.history.record(0, keys.report(1, 0, 1))
    assert other is not None
    final = Best.of(standing_of(other, recorder.spec.objective))
    store.create(keys.result(2), encode(replace(archive.result, final=final)))
    later = read_archive(store)
    assert later.final is not None
    assert later.final.source.record == choose(store, "final").key == other.key
    assert later.status().final == final
    store.create(keys.result(3), encode(replace(archive.result, final=None)))
    assert (read_archive(store).final, read_archive(store).status().final) == (None, None)
    with pytest.raises(NotFound, match="no member had a finite val_accuracy at the end"):
        choose(store, "final")


def test_a_report_that_its_birth_contradicts_is_never_the_best(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    recorder = record_small(store)
    recorder.report(recorder.history.newest_birth(0), 15, 1.0, round=2, hyperparameters={"lr": 9.0})
    recorder.report(recorder.history.newest_birth(0), 21, 1.0, save=True)
    store.create(keys.report(3, 0, 1), b"{")
    assert choose(store, "best").step == 20
    assert choose(store, "best").member == 1


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no population at file://"):
        choose(FolderStore(tmp_path / "nothing"), "best")
    store = FolderStore(tmp_path / "small")
    record_small(store)
    with pytest.raises(NotFound, match="member 7 has no checkpoint"):
        choose(store, 7)


def test_a_record_of_a_newer_version_is_not_skipped(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    record_small(store)
    store.create(keys.birth(0, 2), b'{"format": 9}')
    with pytest.raises(NewerFormat):
        choose(store, "best")
