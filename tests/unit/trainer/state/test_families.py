"""Constants of a script, schedules and what several optimizers share: what an exploit must and must not change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from pbt_contract.errors import StateError
from pbt_trainer.state import schedules as steps
from unit.trainer.training import Member, Objects, kept

BOTH_WAYS = pytest.mark.parametrize("in_place", [False, True], ids=["fresh", "in place"])


def net(name: str = "model") -> Any:
    return kept(name, lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)))


def taken_over(
    build: Any,
    folder: Path,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    in_place: bool,
    steps: int = 0,
) -> Member:
    """A member after an exploit; in place it had the donor's values before, so that nothing tells what follows what."""
    donor = Member(build, then, seed=1)
    for _ in range(steps):
        stepped(donor)
    donor.save(folder)
    newborn = Member(build, then if in_place else now, seed=2)
    newborn.exploit(folder, now, in_place=in_place)
    return newborn


def stepped(member: Member) -> None:
    for value in member.objects.values():
        if isinstance(value, torch.optim.Optimizer | schedules.LRScheduler):
            value.step()


def options(member: Member, name: str, option: str) -> list[Any]:
    return [group[option] for group in member.objects[name].param_groups]


@BOTH_WAYS
def test_the_critics_constant_stays_where_only_the_actors_rate_is_searched(
    in_place: bool, tmp_path: Path
) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        actor, critic = net("actor"), net("critic")
        return {
            "actor": actor,
            "critic": critic,
            "actor_optimizer": torch.optim.Adam(actor.parameters(), lr=hp["lr"]),
            "critic_optimizer": torch.optim.Adam(critic.parameters(), lr=3e-4),
        }

    member = taken_over(build, tmp_path, {"lr": 1e-3}, {"lr": 3e-3}, in_place=in_place)
    assert options(member, "actor_optimizer", "lr") == [3e-3]
    assert options(member, "critic_optimizer", "lr") == [3e-4]


@BOTH_WAYS
@pytest.mark.parametrize(("option", "then", "now"), [("momentum", 0.9, 0.8), ("weight_decay", 0.01, 0.02)])
def test_a_constant_that_equals_a_hyperparameter_is_none(
    option: str, then: float, now: float, in_place: bool, tmp_path: Path
) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        one, other = net("one"), net("other")
        return {
            "one": one,
            "other": other,
            "searched": torch.optim.SGD(one.parameters(), lr=0.1, **{option: hp[option]}),
            "constant": torch.optim.SGD(other.parameters(), lr=0.1, **{option: then}),
        }

    member = taken_over(build, tmp_path, {option: then}, {option: now}, in_place=in_place)
    assert (options(member, "searched", option), options(member, "constant", option)) == ([now], [then])


@BOTH_WAYS
def test_a_backbone_keeps_its_own_rate(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        groups = [
            {"params": model[0].parameters(), "lr": 1e-5},
            {"params": model[1].parameters(), "lr": hp["lr"]},
        ]
        return {"model": model, "optimizer": torch.optim.Adam(groups)}

    member = taken_over(build, tmp_path, {"lr": 1e-3}, {"lr": 3e-3}, in_place=in_place)
    assert options(member, "optimizer", "lr") == [1e-5, 3e-3]


def warmed(hp: Mapping[str, Any]) -> Objects:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    warm_up = schedules.LinearLR(optimizer, start_factor=0.1, total_iters=hp["warm_up"])
    after = schedules.ConstantLR(optimizer, factor=1.0, total_iters=1)
    schedule = schedules.SequentialLR(optimizer, [warm_up, after], milestones=[hp["warm_up"]])
    return {"model": model, "optimizer": optimizer, "schedule": schedule}


@BOTH_WAYS
@pytest.mark.parametrize(("then", "now"), [(8, 20), (20, 8)])
def test_a_warm_up_of_another_length_is_where_it_would_have_been(
    then: int, now: int, in_place: bool, tmp_path: Path
) -> None:
    member = taken_over(warmed, tmp_path, {"warm_up": then}, {"warm_up": now}, in_place=in_place, steps=12)
    anew = Member(warmed, {"warm_up": now}, seed=3)
    for _ in range(12):
        stepped(anew)
    for _ in range(15):
        assert options(member, "optimizer", "lr") == options(anew, "optimizer", "lr")
        stepped(member)
        stepped(anew)
    assert options(member, "optimizer", "lr") == pytest.approx([0.1])


def cosine(hp: Mapping[str, Any]) -> Objects:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = schedules.CosineAnnealingLR(optimizer, T_max=hp["total"])
    return {"model": model, "optimizer": optimizer, "schedule": schedule}


@pytest.mark.parametrize(("total", "rate"), [(40, 0.05), (20, 0.0)], ids=["raised", "as it was"])
def test_a_resume_with_a_raised_total_goes_on_as_if_it_had_always_been_that(
    total: int, rate: float, tmp_path: Path
) -> None:
    donor = Member(cosine, {"total": 20}, seed=1, total_steps=20)
    for _ in range(20):
        stepped(donor)
    donor.save(tmp_path)
    again = Member(cosine, {"total": total}, seed=2, total_steps=total)
    assert again.resume(tmp_path) == []
    assert options(again, "optimizer", "lr") == pytest.approx([rate], abs=1e-12)


def test_a_resume_with_an_edited_constant_goes_on_as_the_checkpoint_and_says_so(tmp_path: Path) -> None:
    donor = Member(cosine, {"total": 20}, seed=1)
    for _ in range(10):
        stepped(donor)
    donor.save(tmp_path)
    again = Member(cosine, {"total": 30}, seed=2)
    assert again.resume(tmp_path) == [
        "schedule: T_max was changed from 20 to 30 in the script; the checkpoint's stands"
    ]
    assert options(again, "optimizer", "lr") == pytest.approx([0.05])


def test_a_resume_with_an_edited_option_says_which(tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        return {
            "model": model,
            "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=hp["momentum"]),
        }

    Member(build, {"momentum": 0.9}, seed=1).save(tmp_path)
    again = Member(build, {"momentum": 0.5}, seed=2)
    assert again.resume(tmp_path) == [
        "optimizer: momentum was changed from 0.9 to 0.5 in the script; the checkpoint's stands"
    ]
    assert options(again, "optimizer", "momentum") == [0.9]


def by_function(hp: Mapping[str, Any]) -> Objects:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    decay = hp["decay"]
    schedule = schedules.LambdaLR(optimizer, lambda step: decay**step)
    return {"model": model, "optimizer": optimizer, "schedule": schedule}


@BOTH_WAYS
def test_the_constants_of_a_function_are_the_new_ones(in_place: bool, tmp_path: Path) -> None:
    member = taken_over(by_function, tmp_path, {"decay": 0.9}, {"decay": 0.5}, in_place=in_place, steps=3)
    assert options(member, "optimizer", "lr") == [0.1 * 0.5**3]
    stepped(member)
    assert options(member, "optimizer", "lr") == [0.1 * 0.5**4]


def test_without_a_build_function_a_schedule_with_one_cannot_be_taken_over_in_place(tmp_path: Path) -> None:
    donor = Member(by_function, {"decay": 0.9}, seed=1)
    donor.save(tmp_path)
    live = Member(by_function, {"decay": 0.9}, seed=2, rebuilds=False)
    before = live.bytes()
    with pytest.raises(StateError, match=r"in place: optimizer: .*Build it in a function with @run\.build"):
        live.exploit(tmp_path, {"decay": 0.9}, in_place=True)
    assert live.bytes() == before


@BOTH_WAYS
def test_two_schedules_on_one_optimizer_go_on_together(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=hp["lr"])
        decay, mark = (
            schedules.ExponentialLR(optimizer, 0.9),
            schedules.MultiStepLR(optimizer, [2], gamma=0.5),
        )
        return {"model": model, "optimizer": optimizer, "decay": decay, "mark": mark}

    member = taken_over(build, tmp_path, {"lr": 0.1}, {"lr": 0.2}, in_place=in_place, steps=4)
    assert options(member, "optimizer", "lr") == pytest.approx([0.2 * 0.9**4 * 0.5])


class Cooling(schedules.LRScheduler):
    """It lowers the momentum late, and puts back what it was built with at the end."""

    def __init__(self, optimizer: torch.optim.Optimizer, end: int) -> None:
        self.end = end
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        for group in self.optimizer.param_groups:
            group["momentum"] = 0.5 if 100 < self.last_epoch < self.end else 0.9
        return list(self.base_lrs)


@BOTH_WAYS
def test_what_a_schedule_puts_back_is_not_the_donors(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return {"model": model, "optimizer": optimizer, "schedule": Cooling(optimizer, hp["end"])}

    member = taken_over(build, tmp_path, {"end": 200}, {"end": 110}, in_place=in_place, steps=120)
    assert options(member, "optimizer", "momentum") == [0.9]


@BOTH_WAYS
def test_warm_restarts_that_are_fed_with_fractions_go_on_from_the_fraction(
    in_place: bool, tmp_path: Path
) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=hp["lr"])
        schedule = schedules.CosineAnnealingWarmRestarts(optimizer, 3)
        return {"model": model, "optimizer": optimizer, "schedule": schedule}

    donor = Member(build, {"lr": 0.1}, seed=1)
    donor.objects["optimizer"].step()
    donor.objects["schedule"].step(2.25)
    (rate,) = options(donor, "optimizer", "lr")
    newborn = Member(build, {"lr": 0.2}, seed=2)
    (note,) = newborn.exploit(donor.save(tmp_path), {"lr": 0.2}, in_place=in_place)
    assert note.startswith("schedule goes on as the donor's")
    assert options(newborn, "optimizer", "lr") == pytest.approx([2 * rate])


@pytest.mark.parametrize(
    ("kind", "option"),
    [("Adam", "amsgrad"), ("AdamW", "amsgrad"), ("RMSprop", "centered"), ("RMSprop", "momentum")],
)
def test_an_option_whose_state_the_donor_never_had_begins_a_fresh_optimizer(
    kind: str, option: str, tmp_path: Path
) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        return {"model": model, "optimizer": getattr(torch.optim, kind)(model.parameters(), **hp)}

    def train(member: Member) -> None:
        member.objects["model"](torch.ones(1, 2)).sum().backward()
        member.objects["optimizer"].step()

    donor = Member(build, {option: 0}, seed=1)
    train(donor)
    donor.save(tmp_path)
    newborn = Member(build, {option: 1}, seed=2)
    (note,) = newborn.exploit(tmp_path, {option: 1}, in_place=False)
    assert note.startswith(
        f"optimizer starts fresh: {option} was off in the script that wrote the checkpoint"
    )
    train(newborn)
    live = Member(build, {option: 0}, seed=2)
    with pytest.raises(StateError, match=f"optimizer starts fresh: {option} was off"):
        live.exploit(tmp_path, {option: 1}, in_place=True)
    assert Member(build, {option: 1}, seed=2).resume(tmp_path) != []  # the checkpoint's stands


@pytest.mark.parametrize("kind", ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "OneCycleLR"])
def test_a_long_way_is_a_jump_where_torch_has_a_formula(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "CosineAnnealingLR": lambda opt: schedules.CosineAnnealingLR(opt, T_max=700),
        "ExponentialLR": lambda opt: schedules.ExponentialLR(opt, 0.99),
        "LambdaLR": lambda opt: schedules.LambdaLR(opt, lambda step: 1 / (1 + step)),
        "OneCycleLR": lambda opt: schedules.OneCycleLR(opt, 0.3, total_steps=700),
    }[kind]
    found = []
    for many in (10, 10_000):
        monkeypatch.setattr(steps, "MANY_STEPS", many)
        optimizer = torch.optim.SGD(net().parameters(), lr=0.1, momentum=0.9)
        schedule: Any = made(optimizer)
        steps.replay([steps.Replay(schedule, 500)], optimizer.param_groups, seconds=None)
        optimizer.step()
        schedule.step()
        found.append((optimizer.param_groups[0]["lr"], schedule.get_last_lr()[0], schedule.last_epoch))
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_in_place_stepping_has_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
    slow = schedules.MultiplicativeLR(optimizer, lambda _step: 1.0)
    with pytest.raises(StateError, match="takes too long"):
        steps.replay([steps.Replay(slow, 10**7)], optimizer.param_groups, seconds=0.01)


def test_without_a_build_function_an_optimizer_of_the_scripts_own_cannot_be_taken_over_in_place(
    tmp_path: Path,
) -> None:
    class Ticking(torch.optim.SGD):
        ticks = 0

    def build(_hp: Mapping[str, Any]) -> Objects:
        model = net()
        return {"model": model, "optimizer": Ticking(model.parameters(), lr=0.1)}

    folder = Member(build, {}, seed=1).save(tmp_path)
    live = Member(build, {}, seed=2, rebuilds=False)
    with pytest.raises(StateError, match=r"Ticking may keep more than its state_dict\(\) tells.*run\.build"):
        live.exploit(folder, {}, in_place=True)
    assert Member(build, {}, seed=2).exploit(folder, {}, in_place=True) == []


def test_without_a_build_function_torchs_optimizers_can(tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = net()
        return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=hp["lr"], momentum=0.5)}

    folder = Member(build, {"lr": 0.3}, seed=1).save(tmp_path)
    live = Member(build, {"lr": 0.1}, seed=2, rebuilds=False)
    assert live.exploit(folder, {"lr": 0.1}, in_place=True) == []
    assert options(live, "optimizer", "lr") == [0.1]


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("holder", ["tracked", "untracked"])
def test_a_schedule_of_an_optimizer_that_is_no_tracked_one_is_annealed_once(
    holder: str, tmp_path: Path
) -> None:
    class Holder:
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.inner = optimizer

        def state_dict(self) -> Any:
            return self.inner.state_dict()

        def load_state_dict(self, state: Any) -> None:
            self.inner.load_state_dict(state)

    def build(hp: Mapping[str, Any]) -> Objects:
        optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
        objects = {"holder": Holder(optimizer)} if holder == "tracked" else {}
        return {**objects, "schedule": schedules.ExponentialLR(optimizer, hp["gamma"])}

    member = taken_over(build, tmp_path, {"gamma": 0.9}, {"gamma": 0.5}, in_place=False, steps=3)
    optimizer = member.objects["schedule"].optimizer
    kept_or_new = 0.1 * 0.9**3 if holder == "tracked" else 0.1 * 0.5**3
    assert optimizer.param_groups[0]["lr"] == pytest.approx(kept_or_new)
    optimizer.step()
    member.objects["schedule"].step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(kept_or_new * 0.5)
