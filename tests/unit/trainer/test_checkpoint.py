"""Checkpoints outside of a population: of a location, and of a folder that was fetched."""

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import pbt_trainer
from pbt_contract.errors import CorruptCheckpoint, NotFound, RecordRefused, UsageError
from pbt_contract.stores.folder import FolderStore
from unit.page.populations import FILES, record_small
from unit.trainer.training import Member, adam


@pytest.fixture
def member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Member:
    """What all checkpoints of the small population hold."""
    trained = Member(adam, {"lr": 0.1}, seed=1)
    trained.train(2)
    folder = trained.save(tmp_path / "own")
    for name in FILES:
        monkeypatch.setitem(FILES, name, (folder / name).read_bytes())
    return trained


@pytest.fixture
def location(member: Member, tmp_path: Path) -> Path:
    record_small(FolderStore(tmp_path / "pbt-runs" / "digits"))
    return tmp_path / "pbt-runs" / "digits"


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_best_of_a_location_is_read_where_it_lies(location: Path, member: Member) -> None:
    best = pbt_trainer.Checkpoint(location, "best")
    assert (best.member, best.step, best.hyperparameters) == (1, 20, {"lr": 0.4})
    assert best.names == ["model", "optimizer"]
    assert same(best.state("model"), member.objects["model"].state_dict())
    other = adam({"lr": 0.1})["optimizer"]
    other.load_state_dict(best.state("optimizer"))


@pytest.mark.parametrize(("which", "expected"), [("final", (1, 20)), (0, (0, 20)), (1, (1, 20))])
def test_other_checkpoints_have_the_words_of_pbt_fetch(which: Any, expected: Any, location: Path) -> None:
    found = pbt_trainer.Checkpoint(str(location), which)
    assert (found.member, found.step) == expected


def test_a_state_outlives_checkpoint_and_file(location: Path, member: Member) -> None:
    with pbt_trainer.Checkpoint(location, "best") as best:
        state = best.state("model")
    shutil.rmtree(location)
    assert same(state, member.objects["model"].state_dict())


def test_a_corrupt_file_is_named_before_anything_of_it_is_read(location: Path) -> None:
    file = location / "checkpoints/00001-000002/000000000020-n/state.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    best = pbt_trainer.Checkpoint(location, "best")
    with pytest.raises(CorruptCheckpoint, match=r"state\.safetensors"):
        best.state("model")


def test_what_retention_deleted_is_told(location: Path) -> None:
    shutil.rmtree(location / "checkpoints/00001-000002")
    with pytest.raises(NotFound, match="is gone: retention keeps"):
        pbt_trainer.Checkpoint(location, "best").state("model")


def test_a_name_that_was_not_tracked_is_told_with_those_that_were(location: Path) -> None:
    with pytest.raises(NotFound, match="has no 'net'; it has model, optimizer"):
        pbt_trainer.Checkpoint(location, "best").state("net")


@pytest.mark.parametrize("which", ["newest", "", 1.0, True])
def test_another_word_is_a_mistake(which: Any, location: Path) -> None:
    with pytest.raises(UsageError, match="'best', 'final' or a member's number"):
        pbt_trainer.Checkpoint(location, which)


def test_a_place_without_a_population_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no population at"):
        _ = pbt_trainer.Checkpoint(tmp_path, "best").step
    with pytest.raises(NotFound, match="there is no folder s3://a/b; of a population's location say which"):
        _ = pbt_trainer.Checkpoint("s3://a/b").names


class TestFolder:
    @pytest.fixture
    def folder(self, member: Member, tmp_path: Path) -> Path:
        card = {"member": 3, "step": 7, "hyperparameters": {"lr": 0.5}, "later": 1}
        (tmp_path / "own" / "checkpoint.json").write_text(json.dumps(card))
        return tmp_path / "own"

    def test_the_card_and_the_state_are_read(self, folder: Path, member: Member) -> None:
        found = pbt_trainer.Checkpoint(folder)
        assert (found.member, found.step, found.hyperparameters) == (3, 7, {"lr": 0.5})
        assert same(found.state("model"), member.objects["model"].state_dict())

    def test_the_other_card_wins_where_the_first_is_a_file_of_the_checkpoint(self, folder: Path) -> None:
        (folder / "pbt-checkpoint.json").write_text('{"member": 1, "step": 2, "hyperparameters": {}}')
        (folder / "checkpoint.json").write_text("a script's own")
        assert pbt_trainer.Checkpoint(folder).step == 2

    def test_without_a_card_the_state_can_be_read_alone(self, folder: Path) -> None:
        (folder / "checkpoint.json").unlink()
        found = pbt_trainer.Checkpoint(folder)
        assert found.names == ["model", "optimizer"]
        with pytest.raises(NotFound, match=r"has no checkpoint\.json, which tells member, step"):
            _ = found.step

    def test_a_malformed_card_is_refused(self, folder: Path) -> None:
        (folder / "checkpoint.json").write_text("{}")
        with pytest.raises(RecordRefused, match=r"checkpoint\.json: "):
            _ = pbt_trainer.Checkpoint(folder).step


def test_what_was_downloaded_goes_with_the_checkpoint(
    location: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(FolderStore):
        """A store that downloads."""

        def fetch(self, key: str, file: Any, folder: Path) -> Path:
            return Path(shutil.copy(super().fetch(key, file, folder), folder / file.name))

    (tmp_path / "downloads").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "downloads"))
    monkeypatch.setattr("pbt_trainer.checkpoint.open_store", lambda place: Far(Path(place)))
    best = pbt_trainer.Checkpoint(location, "best")
    best.state("model")
    assert len(list((tmp_path / "downloads").iterdir())) == 1
    best.close()
    assert list((tmp_path / "downloads").iterdir()) == []
    best.state("model")
    del best
    gc.collect()
    assert list((tmp_path / "downloads").iterdir()) == []
