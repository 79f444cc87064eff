"""Whether tracked objects are what a checkpoint says: one changed bit is found, and named."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pbt_trainer.state.compared import differences
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked


class Values:
    def __init__(self) -> None:
        self.state = {"array": np.arange(4.0), "row": [1, {"deep": 2.5}], "nan": float("nan")}

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


@pytest.fixture
def training(tmp_path):
    """A model with its optimizer after a step, an object, and a checkpoint of them."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    values = Values()
    tracked = Tracked(total_steps=10)
    for name, each in {"model": model, "optimizer": optimizer, "values": values}.items():
        tracked.add(name, each)
    staging = Staging.create()
    captured = tracked.capture(staging)
    (tmp_path / "state.json").write_bytes(captured.tree)
    shutil.copy(f"/proc/self/fd/{staging.fd}", tmp_path / "state.safetensors")
    staging.close()
    return tracked, tmp_path, model, optimizer, values


def test_the_same_is_the_same(training):
    tracked, folder, *_ = training
    assert differences(tracked, folder, newborn=False) == []


def test_one_bit_of_a_weight(training):
    tracked, folder, model, *_ = training
    with torch.no_grad():
        model.weight.view(torch.int32)[0, 0] ^= 1
    assert differences(tracked, folder, newborn=True) == ["model.weight"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda state: state["array"].__setitem__(2, 7.0), "values.array"),
        (lambda state: state["row"].__setitem__(0, True), "values.row.0"),
        (lambda state: state["row"][1].__setitem__("deep", 2), "values.row.1.deep"),
        (lambda state: state["row"].append(3), "values.row"),
        (lambda state: state.__setitem__("more", 1), "values"),
        (lambda state: state.__setitem__("nan", 0.0), "values.nan"),
    ],
)
def test_a_part_of_an_object(training, change, place):
    tracked, folder, *_, values = training
    change(values.state)
    assert differences(tracked, folder, newborn=False) == [place]
    assert differences(tracked, folder, newborn=False, without=["values"]) == []


def test_a_rate_and_random_numbers_may_be_others_for_a_newborn_only(training):
    tracked, folder, _, optimizer, _ = training
    optimizer.param_groups[0]["lr"] = 0.2
    torch.rand(1)
    found = differences(tracked, folder, newborn=False)
    assert [place.rpartition(".")[0] or place for place in found] == ["optimizer.param_groups.0", "random"]
    assert differences(tracked, folder, newborn=True) == []


def test_moments_that_are_gone(training):
    tracked, folder, _, optimizer, _ = training
    optimizer.state.clear()
    assert differences(tracked, folder, newborn=True) == ["optimizer"]


def test_it_leaves_no_files(training, tmp_path, monkeypatch):
    tracked, folder, *_ = training
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    differences(tracked, folder, newborn=False)
    assert not list(Path(place).iterdir())
