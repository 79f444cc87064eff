"""`pbt fetch`: all files, verified, or nothing."""

import json
import textwrap

import pytest
import torch
from safetensors.torch import save

from pbt_contract.records import File
from pbt_contract.stores.folder import FolderStore
from support.checksums import sha256
from unit.page.populations import FILES, record_simulated, record_small
from unit.trainer.training import Member, adam

TENSORS = "checkpoints/00001-000002/000000000020-n/state.safetensors"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_best_checkpoint_comes_with_a_card(pbt, digits, tmp_path):
    to = tmp_path / "a" / "got"
    ended = pbt("fetch", digits, "--to", to)
    assert ended.code == 0
    found = contents(to)
    assert json.loads(found.pop("checkpoint.json")) == {
        "population": "digits",
        "metric": "val_accuracy",
        "member": 1,
        "incarnation": 2,
        "step": 20,
        "score": 0.875,
        "hyperparameters": {"lr": 0.4},
        "checkpoint": "checkpoints/00001-000002/000000000020-n/",
        "files": [{"name": n, "size": len(d), "sha256": sha256(d)} for n, d in FILES.items()],
    }
    assert found == FILES
    assert str(to) in ended.out
    assert f"load_file('{to}/state.safetensors')" in ended.out  # nothing says what was tracked
    assert [path.name for path in to.parent.iterdir()] == ["got"]


def test_the_folder_is_named_after_what_was_asked_for(pbt, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in [[], ["--final"], ["--member", 0]]:
        assert pbt("fetch", digits, *arguments).code == 0
    for name, member in {"digits-best": 1, "digits-final": 1, "digits-member-0": 0}.items():
        assert json.loads((tmp_path / name / "checkpoint.json").read_text())["member"] == member


def test_the_files_are_copies(pbt, digits, tmp_path):
    pbt("fetch", digits, "--to", tmp_path / "got")
    (tmp_path / "got" / "state.safetensors").write_bytes(b"changed")
    assert (digits / TENSORS).read_bytes() == FILES["state.safetensors"]


@pytest.mark.parametrize("damage", [b"tensorZ", b"tens", b""])
def test_a_corrupt_file_is_named_and_nothing_is_left(pbt, digits, tmp_path, damage):
    (digits / TENSORS).write_bytes(damage)
    to = tmp_path / "fetched" / "got"
    ended = pbt("fetch", digits, "--to", to)
    assert (ended.code, ended.out) == (1, "")
    assert TENSORS in ended.err
    assert list(to.parent.iterdir()) == []


def test_a_corrupt_file_leaves_what_was_fetched_before(pbt, digits, tmp_path):
    pbt("fetch", digits, "--to", tmp_path / "got")
    before = contents(tmp_path / "got")
    (digits / TENSORS).write_bytes(b"tensorZ")
    assert pbt("fetch", digits, "--to", tmp_path / "got", "--force").code == 1
    assert contents(tmp_path / "got") == before


def test_a_checkpoint_that_retention_deleted_is_named(pbt, digits, tmp_path):
    (digits / TENSORS).unlink()
    ended = pbt("fetch", digits, "--to", tmp_path / "got")
    assert ended.code == 1
    assert f"{TENSORS} is gone" in ended.err
    assert not (tmp_path / "got").exists()


def test_a_folder_with_something_in_it_is_not_overwritten(pbt, digits, tmp_path):
    to = tmp_path / "got"
    pbt("fetch", digits, "--member", 0, "--to", to)
    before = contents(to)
    ended = pbt("fetch", digits, "--to", to)
    assert ended.code == 2
    assert f"{to} is not empty" in ended.err
    assert contents(to) == before


def test_force_replaces_what_was_fetched_before_whole(pbt, digits, tmp_path):
    to = tmp_path / "got"
    pbt("fetch", digits, "--member", 0, "--to", to)
    (to / "stale").write_text("x")
    assert pbt("fetch", digits, "--to", to, "--force").code == 0
    assert sorted(contents(to)) == ["checkpoint.json", "state.json", "state.safetensors"]
    assert json.loads((to / "checkpoint.json").read_text())["member"] == 1


def test_force_never_deletes_anything_else(pbt, digits, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for to in ["home", "file"]:
        assert pbt("fetch", digits, "--to", tmp_path / to, "--force").code == 2
    assert (tmp_path / "home" / "thesis.tex").read_text() == "x"


def test_an_empty_folder_is_free(pbt, digits, tmp_path):
    (tmp_path / "got").mkdir()
    assert pbt("fetch", digits, "--to", tmp_path / "got").code == 0


def test_files_of_other_frameworks_keep_their_folders_and_names(pbt, recorder, digits, tmp_path):
    birth = recorder.history.newest_birth(0)
    data = b"shard"
    names = ["rank-0/shard.bin", ".metadata", "checkpoint.json"]
    files = [File(name=name, size=len(data), sha256=sha256(data)) for name in names]
    recorder.raise_total(30)
    record = recorder.report(birth, 25, save=True, files=files)
    for name in names:
        recorder.store.create(record.checkpoint + name, data)
    assert pbt("fetch", digits, "--member", 0, "--to", tmp_path / "got").code == 0
    assert sorted(contents(tmp_path / "got")) == sorted([*names, "pbt-checkpoint.json"])
    assert pbt("fetch", digits, "--to", tmp_path / "got", "--force").code == 0


def test_names_that_leave_the_folder_are_refused(pbt, recorder, digits, tmp_path):
    birth = recorder.history.newest_birth(1)
    recorder.report(
        birth, 15, save=True, files=[File(name="../../../../escaped", size=0, sha256=sha256(b""))]
    )
    ended = pbt("fetch", digits, "--member", 1, "--to", tmp_path / "got")
    assert "malformed" in ended.err
    assert not list(tmp_path.rglob("escaped"))


def test_a_member_without_a_checkpoint_is_a_mistake(pbt, digits, tmp_path):
    ended = pbt("fetch", digits, "--member", 5, "--to", tmp_path / "got")
    assert ended == (2, "", "pbt: member 5 has no checkpoint\n")


def test_only_one_checkpoint_is_fetched_at_a_time(pbt, digits):
    assert pbt("fetch", digits, "--best", "--final").code == 2


def test_the_best_and_the_final_one_may_differ(pbt, tmp_path):
    store = FolderStore(tmp_path / "digits")
    record_simulated(store, num_rounds=10)
    for which in ["best", "final"]:
        pbt("fetch", tmp_path / "digits", f"--{which}", "--to", tmp_path / which)
    best, final = (json.loads((tmp_path / w / "checkpoint.json").read_text()) for w in ["best", "final"])
    assert final["step"] == 2000
    assert best["score"] >= final["score"]


@pytest.fixture
def real(monkeypatch, tmp_path):
    """Checkpoints of a trained model and its optimizer, in the files of every record."""
    trained = Member(adam, {"lr": 0.1}, seed=1)
    trained.train(2)
    folder = trained.save(tmp_path / "own")
    for name in FILES:
        monkeypatch.setitem(FILES, name, (folder / name).read_bytes())
    record_small(FolderStore(tmp_path / "digits"))
    return trained


def printed(ended):
    """The lines that are to be run, as the command printed them."""
    _, _, lines = ended.out.partition("load it with\n")
    return textwrap.dedent(lines)


def test_the_printed_lines_load_what_was_fetched(pbt, real, tmp_path):
    ended = pbt("fetch", tmp_path / "digits", "--to", tmp_path / "it's here")
    objects = adam({"lr": 0.1})
    exec(printed(ended), objects)
    assert objects["checkpoint"].step == 20
    for name, value in real.objects["model"].state_dict().items():
        assert torch.equal(objects["model"].state_dict()[name], value)
    moments = real.objects["optimizer"].state_dict()["state"]
    assert torch.equal(objects["optimizer"].state_dict()["state"][0]["exp_avg"], moments[0]["exp_avg"])


def test_tensors_of_another_writer_are_loaded_by_their_own_library(pbt, monkeypatch, tmp_path):
    monkeypatch.setitem(FILES, "state.safetensors", save({"w": torch.ones(3)}))
    record_small(FolderStore(tmp_path / "digits"))
    names = {}
    exec(printed(pbt("fetch", tmp_path / "digits", "--to", tmp_path / "got")), names)
    assert names["tensors"]["w"].tolist() == [1, 1, 1]


def test_names_that_are_no_names_are_not_printed_as_code(pbt, monkeypatch, tmp_path):
    monkeypatch.setitem(FILES, "state.json", b'{"objects": {"model": {}, "x; import os": {}}}')
    record_small(FolderStore(tmp_path / "digits"))
    ended = pbt("fetch", tmp_path / "digits", "--to", tmp_path / "got")
    assert "import os" not in ended.out
