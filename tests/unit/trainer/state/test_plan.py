"""A takeover in place says no before anything is changed, and says why."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from pbt_contract.errors import StateError
from unit.trainer.training import Member, Objects, kept


class Clinging(torch.optim.SGD):
    """It hands itself to an object of its own."""

    class Watch:
        def __init__(self, optimizer: Any) -> None:
            self.optimizer = optimizer

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, **options)
        self.watch = self.Watch(self)


SHARED: list[dict[str, Any]] = [{"params": [torch.nn.Parameter(torch.zeros(2))]}]


def clinging(net: torch.nn.Module, hp: Mapping[str, Any]) -> Any:
    return Clinging(net.parameters(), lr=hp["lr"])


def of_others(_net: torch.nn.Module, hp: Mapping[str, Any]) -> Any:
    return torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=hp["lr"])


def of_shared_groups(_net: torch.nn.Module, hp: Mapping[str, Any]) -> Any:
    return torch.optim.SGD(SHARED, lr=hp["lr"])


def of_more_groups(net: torch.nn.Module, hp: Mapping[str, Any]) -> Any:
    parts = [{"params": each} for each in net.parameters()]
    return torch.optim.SGD(parts if hp["lr"] > 0.15 else net.parameters(), lr=hp["lr"])


def of_another_class(net: torch.nn.Module, hp: Mapping[str, Any]) -> Any:
    kind = torch.optim.Adam if hp["lr"] > 0.15 else torch.optim.SGD
    return kind(net.parameters(), lr=hp["lr"])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (clinging, r"Clinging\.watch holds on to an object that was built with it"),
        (of_others, "the build function gave it other parameters than it has now"),
        (
            of_shared_groups,
            "its param groups are the same dicts as before: make them inside the build function",
        ),
        (of_more_groups, "another number of param groups"),
        (of_another_class, "made a torch.optim.adam.Adam this time"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_says_why_not(make: Any, why: str, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        net = kept("model", lambda: torch.nn.Linear(2, 2))
        return {"model": net, "optimizer": make(net, hp)}

    folder = Member(build, {"lr": 0.1}, seed=1).save(tmp_path)
    live = Member(build, {"lr": 0.1}, seed=2)
    weight = live.objects["model"].weight.clone()
    with pytest.raises(StateError, match=rf"This process can't take the checkpoint over in place: .*{why}"):
        live.exploit(folder, {"lr": 0.2}, in_place=True)
    assert torch.equal(live.objects["model"].weight, weight)


def test_weights_that_do_not_fit_are_noticed_before(tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        return {"model": kept("model", lambda: torch.nn.Linear(hp["width"], 2))}

    folder = Member(build, {"width": 3}, seed=1).save(tmp_path)
    live = Member(build, {"width": 2}, seed=2)
    with pytest.raises(StateError, match="model: the checkpoint's weights don't fit"):
        live.exploit(folder, {"width": 2}, in_place=True)
