"""A resume goes on as if nothing had happened, to the last bit."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from unit.trainer.training import ALL, Member

HP = {"lr": 0.05, "weight_decay": 0.02, "momentum": 0.8}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("steps", [0, 7])
def test_resumed_training_is_the_same_to_the_last_bit(name: str, steps: int, tmp_path: Path) -> None:
    member = Member(ALL[name], HP, seed=1)
    member.train(steps)
    folder = member.save(tmp_path)
    rates = member.train(10)
    expected = member.bytes()

    again = Member(ALL[name], HP, seed=2)
    assert again.resume(folder) == []
    assert again.train(10) == rates
    assert again.bytes() == expected


@pytest.mark.parametrize("name", ALL)
def test_going_back_in_place_is_the_same_to_the_last_bit(name: str, tmp_path: Path) -> None:
    member = Member(ALL[name], HP, seed=1)
    member.train(7)
    folder = member.save(tmp_path)
    member.train(10)
    expected = member.bytes()

    assert member.resume(folder, in_place=True) == []
    member.train(10)
    assert member.bytes() == expected


def test_a_second_resume_of_a_resume_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    member = Member(ALL["one-cycle"], HP, seed=1)
    member.train(12)
    expected = member.bytes()

    folder = tmp_path / "0"
    for part in range(4):
        other = Member(ALL["one-cycle"], HP, seed=1 + part)
        if part:
            other.resume(folder)
        other.train(3)
        folder = other.save(tmp_path / str(part + 1))
    assert other.bytes() == expected


def test_channels_last_state_keeps_its_layout(tmp_path: Path) -> None:
    def build(_hp: object) -> dict[str, object]:
        model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return {"model": model, "optimizer": torch.optim.Adam(model.parameters())}

    member = Member(build, HP, seed=1)
    member.objects["model"](torch.randn(2, 3, 8, 8)).sum().backward()
    member.objects["optimizer"].step()
    folder = member.save(tmp_path)

    again = Member(build, HP, seed=2)
    again.resume(folder)
    weight = again.objects["model"].weight
    assert again.objects["optimizer"].state[weight]["exp_avg"].stride() == weight.stride()
    assert again.bytes() == member.bytes()


def test_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    member = Member(ALL["sgd"], HP, seed=1)
    folder = member.save(tmp_path)

    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(torch.rand(()))]

    expected = draw()
    member.resume(folder)
    assert draw() == expected


def test_clones_are_reseeded_and_differ_but_each_is_repeatable(tmp_path: Path) -> None:
    donor = Member(ALL["sgd"], HP, seed=1)
    donor.train(3)
    folder = donor.save(tmp_path)

    def clone(seed: int) -> tuple[bytes, bytes]:
        member = Member(ALL["sgd"], HP, seed=9)
        member.exploit(folder, HP, in_place=False, seed=seed)
        member.train(2)
        return member.bytes()

    assert clone(1) == clone(1)
    assert clone(1) != clone(2)
