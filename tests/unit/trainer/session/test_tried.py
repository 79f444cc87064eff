"""What a checked process finds out of its build functions, and which other values it tries."""

from types import SimpleNamespace

import pytest
import torch

from pbt_trainer.session.building import Building
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.tried import another, build_mistakes, read_in_build

MODEL = torch.nn.Linear(2, 1)


def sgd(hp, **options):
    return torch.optim.SGD(MODEL.parameters(), lr=hp["lr"], **options)


def member(function):
    """A process that has built with a function of its hyperparameters."""
    hp = Hyperparameters({"lr": 0.1, "wd": 0.0})
    building = Building(hp)
    building.add(lambda: function(hp))
    building.complete({})
    return SimpleNamespace(hp=hp, building=building)


def test_a_build_function_without_a_mistake():
    made = member(lambda hp: {"optimizer": sgd(hp)})
    assert build_mistakes(made) == []
    assert read_in_build(made) == {"lr"}
    assert made.hp.read == {"lr"}


def test_what_was_read_before_stays_read():
    made = member(lambda hp: {"optimizer": sgd(hp)})
    assert made.hp["wd"] == 0.0
    assert read_in_build(made) == {"lr"}
    assert made.hp.read == {"lr", "wd"}


def test_one_that_returns_what_it_returned_before():
    kept = []

    def build(hp):
        kept.append(sgd(hp))
        return {"optimizer": kept[0]}

    assert build_mistakes(member(build)) == [
        "optimizer: the same SGD again; it has to be a new one with each call"
    ]


def test_one_that_is_for_a_new_model():
    (told,) = build_mistakes(
        member(lambda hp: {"optimizer": torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=hp["lr"])})
    )
    assert told.startswith("optimizer: other parameters than at first")


def test_one_of_another_kind():
    kinds = [torch.optim.SGD, torch.optim.Adam, torch.optim.Adam]
    build = member(lambda hp: {"optimizer": kinds.pop(0)(MODEL.parameters(), lr=hp["lr"])})
    assert build_mistakes(build) == ["optimizer: Adam where it made SGD at first"]


def test_one_that_counts():
    rates = iter([0.1, 0.2, 0.3])
    (told,) = build_mistakes(
        member(lambda _hp: {"optimizer": torch.optim.SGD(MODEL.parameters(), lr=next(rates))})
    )
    assert told.startswith("optimizer: other options with each call")


def test_one_that_fails_when_it_is_called_again():
    made = [1]

    def build(hp):
        made.pop()
        return {"optimizer": sgd(hp)}

    (told,) = build_mistakes(member(build))
    assert told.endswith("() failed: IndexError: pop from empty list")


@pytest.mark.parametrize(
    ("value", "other"), [(True, False), (3, 4), (0.5, 0.4), (0.0, 0.1), ("relu", None), (-2.0, -1.6)]
)
def test_another_value(value, other):
    assert another(value) == other
    assert type(another(value)) is type(other)
