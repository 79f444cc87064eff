"""What an object is taken for: only what it surely is; anything else gets back exactly what it gave."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from pbt_contract.errors import UsageError
from pbt_trainer.state.tracked import Tracked
from pbt_trainer.state.tracked_object import kind_of
from unit.trainer.training import Member


class Agent:
    """A learner of the script's own: it steps, and has an optimizer, and is neither optimizer nor schedule."""

    def __init__(self, mapping: Any = dict) -> None:
        self.net = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.1)
        self.mapping = mapping
        self.updates = 0

    def step(self) -> None:
        self.net(torch.ones(1, 3)).sum().backward()
        self.optimizer.step()
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        net = self.mapping(self.net.state_dict())
        return {"net": net, "optimizer": self.optimizer.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert type(state["net"]) is self.mapping
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]


class Environment(Agent):
    """`step` is a counter here."""

    step = 0  # type: ignore[assignment]


class Wrapper:
    """Looks like an optimizer, and its `zero_grad` takes nothing."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.inner = optimizer

    param_groups = property(lambda self: self.inner.param_groups)
    state = property(lambda self: self.inner.state)

    def state_dict(self) -> Any:
        return self.inner.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.inner.load_state_dict(state)

    def zero_grad(self) -> None:
        self.inner.zero_grad()


def test_instances_of_torchs_classes_are_known() -> None:
    class Own(torch.optim.SGD):
        pass

    class Rule(schedules.LRScheduler):
        def get_lr(self) -> Any:
            return [1.0]

    model = torch.nn.Linear(1, 1)
    optimizer = Own(model.parameters(), lr=0.1)
    step = schedules.StepLR(optimizer, 1)
    known = {
        "module": [model],
        "optimizer": [optimizer],
        "scheduler": [
            step,
            Rule(optimizer),
            schedules.ReduceLROnPlateau(optimizer),
            schedules.ChainedScheduler([step]),
            schedules.SequentialLR(optimizer, [step, schedules.ConstantLR(optimizer)], [1]),
        ],
        "object": [Agent(), Environment(), Wrapper(optimizer), torch.amp.GradScaler("cpu")],
    }
    for kind, values in known.items():
        assert [kind_of(value) for value in values] == [kind] * len(values)


@pytest.mark.parametrize("mapping", [dict, OrderedDict])
@pytest.mark.parametrize("way", ["resume", "exploit", "in place"])
def test_a_learner_that_steps_gets_back_what_it_gave(mapping: Any, way: str, tmp_path: Path) -> None:
    donor = Member(lambda _hp: {"agent": Agent(mapping)}, {}, seed=1)
    donor.objects["agent"].step()
    donor.save(tmp_path)
    other = Member(lambda _hp: {"agent": Agent(mapping)}, {}, seed=2)
    if way == "resume":
        assert other.resume(tmp_path) == []
    else:
        (note,) = other.exploit(tmp_path, {}, in_place=way == "in place")
        assert note.startswith(
            "agent keeps an optimizer within: its options came back as the donor had them."
        )
    mine, theirs = other.objects["agent"], donor.objects["agent"]
    assert torch.equal(mine.net.bias, theirs.net.bias)
    assert mine.updates == 1
    assert mine.optimizer.state_dict()["state"][0]["step"] == 1


def test_a_wrapper_of_an_optimizer_is_told_of_its_options(tmp_path: Path) -> None:
    def build(hp: Any) -> dict[str, Any]:
        model = torch.nn.Linear(2, 2)
        return {"model": model, "optimizer": Wrapper(torch.optim.SGD(model.parameters(), lr=hp["lr"]))}

    folder = Member(build, {"lr": 0.1}, seed=1).save(tmp_path)
    assert Member(build, {"lr": 0.1}, seed=2).resume(folder) == []
    for in_place in (False, True):
        newborn = Member(build, {"lr": 0.2}, seed=2)
        (note,) = newborn.exploit(folder, {"lr": 0.2}, in_place=in_place)
        assert note == "optimizer is no optimizer of torch: its options came back as the donor had them"
        assert newborn.groups[0]["lr"] == 0.1
        assert newborn.objects["model"].weight.grad is None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("LightningOptimizer", "`optimizer.optimizer`"),
        ("AcceleratedOptimizer", "`optimizer.optimizer`"),
        ("AcceleratedScheduler", "`optimizer.scheduler`"),
        ("DeepSpeedZeroOptimizer", r"report\(\.\.\., files=DIR\)"),
    ],
)
def test_wrappers_of_libraries_are_refused_with_what_to_track_instead(name: str, remedy: str) -> None:
    base: Any = type(name, (torch.optim.SGD,), {})
    wrapper = type("Derived", (base,), {})(torch.nn.Linear(1, 1).parameters(), lr=0.1)
    with pytest.raises(UsageError, match=rf"track\(optimizer=\.\.\.\): Derived .*: track .*{remedy}"):
        Tracked(total_steps=9).add("optimizer", wrapper)
