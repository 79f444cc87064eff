"""Checkpoints of earlier versions, which say less: they are restored by a resume and by an exploit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from unit.trainer.training import SCHEDULED, Member, adamw, kept

THEN, NOW = {"lr": 0.1, "weight_decay": 0.02}, {"lr": 0.2, "weight_decay": 0.02}


def earlier(folder: Path, **kinds: str) -> Path:
    """Makes a checkpoint one of an earlier version: without names, shapes and the total, and with its kinds."""
    path = folder / "state.json"
    content = json.loads(path.read_text())
    del content["total_steps"]
    for name, item in content["objects"].items():
        item.pop("parameters", None)
        item["kind"] = kinds.get(name, item["kind"])
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("name", ["cosine", "warm-up"])
def test_a_resume_is_exact(name: str, tmp_path: Path) -> None:
    donor = Member(SCHEDULED[name], THEN, seed=1)
    donor.train(7)
    folder = earlier(donor.save(tmp_path))
    again = Member(SCHEDULED[name], THEN, seed=2, total_steps=99)
    assert again.resume(folder) == []
    assert again.bytes()[1] == donor.bytes()[1]
    assert again.train(5) == donor.train(5)


@pytest.mark.parametrize("in_place", [False, True], ids=["fresh", "in place"])
def test_an_exploit_has_the_new_values(in_place: bool, tmp_path: Path) -> None:
    donor = Member(adamw, THEN, seed=1)
    donor.train(7)
    newborn = Member(adamw, THEN if in_place else NOW, seed=2)
    assert newborn.exploit(earlier(donor.save(tmp_path)), NOW, in_place=in_place) == []
    assert newborn.groups[0]["lr"] == 0.2
    assert newborn.bytes()[1] == donor.bytes()[1]


def test_state_of_another_shape_is_noticed_all_the_same(tmp_path: Path) -> None:
    def of(width: int) -> Any:
        def build(_hp: Any) -> dict[str, Any]:
            weight = torch.nn.Parameter(torch.zeros(width, 2))
            weight.grad = torch.ones_like(weight)
            optimizer = torch.optim.Adam([weight])
            optimizer.step()
            return {"optimizer": optimizer}

        return build

    folder = earlier(Member(of(3), {}, seed=1).save(tmp_path))
    assert Member(of(4), {}, seed=2).resume(folder) == [
        "optimizer starts fresh: parameter 0 has the shape [4, 2], the checkpoint's [3, 2]"
    ]


class Wrapped:
    """What earlier versions took for an optimizer, or for a schedule."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.optimizer = getattr(inner, "optimizer", inner)
        self.param_groups = self.optimizer.param_groups
        self.step = inner.step

    def state_dict(self) -> Any:
        return self.inner.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.inner.load_state_dict(state)


def test_what_they_took_for_an_optimizer_or_a_schedule_gets_back_what_it_gave(tmp_path: Path) -> None:
    def build(_hp: Any) -> dict[str, Any]:
        model = kept("model", lambda: torch.nn.Linear(2, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = schedules.StepLR(optimizer, 2)
        return {"model": model, "optimizer": Wrapped(optimizer), "schedule": Wrapped(schedule)}

    donor = Member(build, {}, seed=1)
    for _ in range(3):
        donor.objects["optimizer"].step()
        donor.objects["schedule"].step()
    folder = earlier(donor.save(tmp_path), optimizer="optimizer", schedule="scheduler")
    again = Member(build, {}, seed=2)
    assert again.resume(folder) == []
    assert again.objects["schedule"].state_dict() == donor.objects["schedule"].state_dict()
    assert again.objects["optimizer"].inner.param_groups[0]["lr"] == pytest.approx(0.01)
