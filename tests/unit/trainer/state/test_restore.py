"""What a restore must not undo: the hyperparameters that explore has changed."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from pbt_contract.errors import StateError
from unit.trainer.training import (
    PLATEAU,
    SCHEDULED,
    Member,
    Net,
    Objects,
    adam,
    adamw,
    groups,
    kept,
    scheduled,
    sgd,
)

THEN: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.02, "momentum": 0.8}
NOW: dict[str, Any] = {"lr": 0.08, "weight_decay": 0.025, "momentum": 0.84}
OLD: dict[str, Any] = {"lr": 0.038, "weight_decay": 0.5, "momentum": 0.3}

GOES_ON = "scheduler goes on as the donor's, at this member's constants and rates: steps can't lead there"
BOTH_WAYS = pytest.mark.parametrize("in_place", [False, True], ids=["fresh", "in-place"])


def donor_of(build: Any, folder: Path, *, steps: int = 12, hp: Mapping[str, Any] = THEN) -> Member:
    donor = Member(build, hp, seed=1)
    donor.train(steps)
    donor.save(folder)
    return donor


def newborn_of(
    build: Any, folder: Path, *, in_place: bool, now: Mapping[str, Any] = NOW, notes: Sequence[str] = ()
) -> Member:
    """A member that took the checkpoint over, in place from a life with quite other hyperparameters."""
    newborn = Member(build, OLD if in_place else now, seed=3)
    if in_place:
        newborn.train(5)
    assert newborn.exploit(folder, now, in_place=in_place) == list(notes)
    return newborn


@BOTH_WAYS
@pytest.mark.parametrize("name", SCHEDULED)
def test_annealing_goes_on_like_the_donors_at_the_new_rate(name: str, in_place: bool, tmp_path: Path) -> None:
    build = SCHEDULED[name]
    donor = donor_of(build, tmp_path)
    newborn = newborn_of(build, tmp_path, in_place=in_place)

    theirs, mine = donor.train(15), newborn.train(15)
    assert len({rates[0] for rates in theirs}) > 2  # there is annealing to go on with
    for step in range(15):
        assert mine[step] == pytest.approx([rate * 0.8 for rate in theirs[step]], rel=1e-9)


@BOTH_WAYS
@pytest.mark.parametrize("name", ["multi-step", "cosine", "restarts", "lambda", "warm-up", "chained"])
def test_other_options_are_the_new_ones_group_by_group(name: str, in_place: bool, tmp_path: Path) -> None:
    build = SCHEDULED[name]
    donor_of(build, tmp_path)
    for group, decay in zip(newborn_of(build, tmp_path, in_place=in_place).groups, (0.025, 0.0), strict=True):
        assert group["weight_decay"] == decay
        assert group.get("momentum", 0.84) == 0.84


@BOTH_WAYS
@pytest.mark.parametrize("build", [sgd, adamw])
def test_without_a_schedule_it_is_exactly_the_new_value(build: Any, in_place: bool, tmp_path: Path) -> None:
    donor_of(build, tmp_path)
    newborn = newborn_of(build, tmp_path, in_place=in_place)
    assert newborn.groups[0]["lr"] == 0.08
    assert newborn.groups[1]["lr"] == pytest.approx(0.008, rel=1e-12)
    newborn.train(2)
    assert newborn.groups[0]["lr"] == 0.08


@BOTH_WAYS
def test_a_rate_decayed_by_hand_goes_on_from_where_it_was(in_place: bool, tmp_path: Path) -> None:
    donor = Member(sgd, THEN, seed=1)
    for group in donor.groups:
        group["lr"] *= 0.5
    donor.save(tmp_path)
    newborn = newborn_of(sgd, tmp_path, in_place=in_place)
    assert [group["lr"] for group in newborn.groups] == pytest.approx([0.04, 0.004], rel=1e-12)


@BOTH_WAYS
def test_a_warm_up_by_hand_from_zero_is_the_scripts_to_go_on_with(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        return _with_option(sgd(hp), "lr", 0.0)

    donor = Member(build, THEN, seed=1)
    for group in donor.groups:
        group["lr"] = 0.05
    donor.save(tmp_path)
    newborn = newborn_of(build, tmp_path, in_place=in_place)
    assert [group["lr"] for group in newborn.groups] == [0.05, 0.05]


@BOTH_WAYS
@pytest.mark.parametrize("name", ["chained", "warm-up"])
def test_a_schedule_inside_another_tells_the_rate_in_use(name: str, in_place: bool, tmp_path: Path) -> None:
    donor_of(SCHEDULED[name], tmp_path)
    newborn = newborn_of(SCHEDULED[name], tmp_path, in_place=in_place)
    rates = [group["lr"] for group in newborn.groups]
    scheduler = newborn.objects["scheduler"]
    assert scheduler.get_last_lr() == pytest.approx(rates)
    assert scheduler._schedulers[-1].get_last_lr() == pytest.approx(rates)


@BOTH_WAYS
def test_a_cycled_momentum_is_not_reset(in_place: bool, tmp_path: Path) -> None:
    donor = donor_of(SCHEDULED["one-cycle"], tmp_path)
    newborn = newborn_of(SCHEDULED["one-cycle"], tmp_path, in_place=in_place)
    assert newborn.groups[0]["momentum"] == donor.groups[0]["momentum"] != 0.95

    donor = donor_of(SCHEDULED["one-cycle-adam"], tmp_path)
    newborn = newborn_of(SCHEDULED["one-cycle-adam"], tmp_path, in_place=in_place)
    assert newborn.groups[0]["betas"] == donor.groups[0]["betas"] != (0.95, 0.999)


def test_only_the_changed_part_of_a_pair_is_the_new_one(tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        objects = adam(hp)
        for group in objects["optimizer"].param_groups:
            group["betas"] = (0.9, hp["beta2"])
        return objects | {"scheduler": schedules.OneCycleLR(objects["optimizer"], hp["lr"], total_steps=40)}

    then, now = {"lr": 0.1, "beta2": 0.99}, {"lr": 0.1, "beta2": 0.95}
    donor = donor_of(build, tmp_path, hp=then)
    newborn = newborn_of(build, tmp_path, in_place=False, now=now)
    assert newborn.groups[0]["betas"] == (donor.groups[0]["betas"][0], 0.95)


@BOTH_WAYS
def test_a_plateau_schedule_goes_on_at_the_new_rate(in_place: bool, tmp_path: Path) -> None:
    donor = donor_of(PLATEAU, tmp_path, steps=20)
    newborn = newborn_of(PLATEAU, tmp_path, in_place=in_place, notes=[GOES_ON])
    assert donor.groups[0]["lr"] < 0.1
    assert newborn.groups[0]["lr"] == pytest.approx(0.8 * donor.groups[0]["lr"])
    assert newborn.objects["scheduler"].num_bad_epochs == donor.objects["scheduler"].num_bad_epochs
    assert newborn.objects["scheduler"].best == donor.objects["scheduler"].best


@BOTH_WAYS
def test_a_schedules_own_hyperparameters_are_the_new_ones_and_its_position_the_donors(
    in_place: bool, tmp_path: Path
) -> None:
    build = scheduled(sgd, lambda opt, hp: schedules.MultiStepLR(opt, hp["milestones"], gamma=hp["gamma"]))
    then = THEN | {"gamma": 0.5, "milestones": [3, 20]}
    now = NOW | {"gamma": 0.25, "milestones": [3, 15]}
    donor_of(build, tmp_path, hp=then)
    newborn = Member(build, OLD | {"gamma": 0.1, "milestones": [1, 2]} if in_place else now, seed=3)
    assert newborn.exploit(tmp_path, now, in_place=in_place) == []
    assert newborn.objects["scheduler"].last_epoch == 12
    rates = [group for group, _ in newborn.train(6)]
    assert rates == pytest.approx([0.02] * 3 + [0.005] * 3)  # quartered at step 3, and at step 15


@BOTH_WAYS
def test_a_longer_warm_up_does_not_scale_what_comes_after_it(in_place: bool, tmp_path: Path) -> None:
    build = scheduled(
        sgd, lambda opt, hp: schedules.LinearLR(opt, start_factor=hp.get("start", 0.1), total_iters=4)
    )
    donor_of(build, tmp_path, hp=THEN)
    now = THEN if in_place else THEN | {"start": 0.5}
    newborn = newborn_of(build, tmp_path, in_place=in_place, now=now)
    assert newborn.groups[0]["lr"] == pytest.approx(0.1)


@BOTH_WAYS
def test_a_floor_that_follows_the_rate_goes_with_it(in_place: bool, tmp_path: Path) -> None:
    build = scheduled(
        sgd, lambda opt, hp: schedules.CosineAnnealingLR(opt, T_max=20, eta_min=hp["lr"] * 0.01)
    )
    donor_of(build, tmp_path)
    newborn = newborn_of(build, tmp_path, in_place=in_place)
    assert newborn.objects["scheduler"].eta_min == pytest.approx(0.0008)
    assert newborn.train(9)[8][0] == pytest.approx(0.0008, rel=1e-6)


@BOTH_WAYS
def test_a_constant_of_the_script_stays_one(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        objects = sgd(hp | {"weight_decay": 0.0})
        objects["optimizer"].param_groups[1]["lr"] = 0.003
        scheduler = schedules.CosineAnnealingLR(objects["optimizer"], T_max=20, eta_min=1e-4)
        return objects | {"scheduler": scheduler}

    donor = donor_of(build, tmp_path)
    newborn = newborn_of(build, tmp_path, in_place=in_place)
    assert newborn.objects["scheduler"].eta_min == 1e-4
    assert newborn.groups[1]["initial_lr"] == 0.003
    assert newborn.groups[1]["lr"] == donor.groups[1]["lr"]


@BOTH_WAYS
def test_a_tensor_rate_is_filled_and_never_replaced(in_place: bool, tmp_path: Path) -> None:
    def build(hp: Mapping[str, Any]) -> Objects:
        model = kept("model", Net)
        rate = torch.tensor(hp["lr"], dtype=torch.float64)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, foreach=False)
        scheduler = schedules.MultiStepLR(optimizer, [3, 15], gamma=0.5)
        return {"model": model, "optimizer": optimizer, "scheduler": scheduler}

    donor_of(build, tmp_path)
    newborn = Member(build, OLD if in_place else NOW, seed=3)
    rate = newborn.groups[0]["lr"]
    assert newborn.exploit(tmp_path, NOW, in_place=in_place) == []
    assert newborn.groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.04)
    assert newborn.train(5)[-1] == pytest.approx([0.02])


def test_in_place_every_tensor_keeps_its_place_and_gradients_are_cleared(tmp_path: Path) -> None:
    donor = donor_of(adamw, tmp_path)
    newborn = Member(adamw, OLD, seed=3)
    newborn.train(5)

    def tensors(member: Member) -> list[torch.Tensor]:
        states = member.objects["optimizer"].state.values()
        moments = [value for fields in states for value in fields.values()]
        return [*member.objects["model"].state_dict().values(), *moments]

    before = [tensor.data_ptr() for tensor in tensors(newborn)]
    newborn.exploit(tmp_path, NOW, in_place=True)
    assert [tensor.data_ptr() for tensor in tensors(newborn)] == before
    assert all(map(torch.equal, tensors(newborn), tensors(donor)))
    assert all(parameter.grad is None for parameter in newborn.objects["model"].parameters())


@pytest.mark.parametrize("trained", ["donor", "newborn"])
def test_in_place_works_where_only_one_side_has_optimizer_state(trained: str, tmp_path: Path) -> None:
    donor = donor_of(adamw, tmp_path, steps=3 if trained == "donor" else 0)
    newborn = Member(adamw, OLD, seed=3)
    newborn.train(3 if trained == "newborn" else 0)
    newborn.exploit(tmp_path, NOW, in_place=True)
    assert len(newborn.objects["optimizer"].state) == len(donor.objects["optimizer"].state)
    newborn.train(2)


@BOTH_WAYS
def test_optimizer_state_of_an_unusual_form_is_restored(in_place: bool, tmp_path: Path) -> None:
    def build(_hp: Mapping[str, Any]) -> Objects:
        model = kept("model", lambda: torch.nn.Linear(3, 1))
        return {"model": model, "optimizer": torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)}

    def step(member: Member) -> float:
        model, inputs = member.objects["model"], torch.eye(3)

        def closure() -> torch.Tensor:
            member.objects["optimizer"].zero_grad()
            loss = (model(inputs) - 1).square().mean()
            loss.backward()
            return loss

        return float(member.objects["optimizer"].step(closure).detach())

    donor = Member(build, THEN, seed=1)
    step(donor)
    donor.save(tmp_path)
    newborn = Member(build, THEN, seed=2)
    if in_place:
        step(newborn)
    newborn.exploit(tmp_path, THEN, in_place=in_place)
    assert [step(newborn) for _ in range(3)] == [step(donor) for _ in range(3)]


def test_a_takeover_in_place_is_as_good_a_donor_as_any(tmp_path: Path) -> None:
    build = SCHEDULED["multi-step"]
    donor_of(build, tmp_path / "first", steps=4)
    middle = newborn_of(build, tmp_path / "first", in_place=True)
    middle.train(4)
    middle.save(tmp_path / "second")

    last = NOW | {"lr": 0.8, "weight_decay": 0.3}
    for in_place in (False, True):
        newborn = newborn_of(build, tmp_path / "second", in_place=in_place, now=last)
        theirs, mine = (member.objects["optimizer"].param_groups for member in (middle, newborn))
        assert [group["lr"] for group in mine] == pytest.approx([group["lr"] * 10 for group in theirs])
        assert [group["weight_decay"] for group in mine] == [0.3, 0.0]

    resumed = Member(build, NOW, seed=8)
    resumed.resume(tmp_path / "second")
    assert resumed.bytes()[1] == middle.bytes()[1]
    assert resumed.groups[0]["lr"] == middle.groups[0]["lr"]


def test_one_takeover_after_the_other_stays_exact(tmp_path: Path) -> None:
    donor_of(adamw, tmp_path)
    newborn = newborn_of(adamw, tmp_path, in_place=True)
    for rate in (0.5, 0.03, 0.011):
        newborn.exploit(tmp_path, NOW | {"lr": rate}, in_place=True)
        assert newborn.groups[0]["lr"] == rate
        assert newborn.groups[1]["lr"] == pytest.approx(rate / 10, rel=1e-12)


def test_another_optimizer_starts_fresh_and_the_note_says_so(tmp_path: Path) -> None:
    donor = donor_of(adamw, tmp_path)
    newborn = Member(sgd, NOW, seed=3)
    (note,) = newborn.exploit(tmp_path, NOW, in_place=False)
    assert note.startswith("optimizer starts fresh")
    assert "AdamW" in note
    assert "SGD" in note
    assert not newborn.objects["optimizer"].state
    assert newborn.groups[0]["lr"] == 0.08
    assert torch.equal(newborn.objects["model"].last.weight, donor.objects["model"].last.weight)


def test_another_optimizer_under_the_same_schedule_goes_on_annealing(tmp_path: Path) -> None:
    def make(optimizer: torch.optim.Optimizer, _hp: Mapping[str, Any]) -> Any:
        return schedules.MultiStepLR(optimizer, [5, 15], gamma=0.5)

    donor_of(scheduled(adamw, make), tmp_path)
    newborn = Member(scheduled(sgd, make), NOW, seed=3)
    assert len(newborn.exploit(tmp_path, NOW, in_place=False)) == 1
    assert not newborn.objects["optimizer"].state
    rates = [first for first, _ in newborn.train(6)]
    assert rates == pytest.approx([0.04] * 3 + [0.02] * 3)


def test_another_schedule_starts_anew_at_the_rates_it_was_built_with(tmp_path: Path) -> None:
    donor_of(scheduled(adamw, lambda opt, _hp: schedules.ExponentialLR(opt, 0.5)), tmp_path)
    newborn = Member(scheduled(adamw, lambda opt, _hp: schedules.ConstantLR(opt, 0.5, 2)), NOW, seed=3)
    (note,) = newborn.exploit(tmp_path, NOW, in_place=False)
    assert note.startswith("scheduler starts fresh")
    assert newborn.objects["optimizer"].state
    assert [first for first, _ in newborn.train(4)] == pytest.approx([0.04, 0.04, 0.08, 0.08])


def test_an_optimizer_with_other_groups_starts_fresh(tmp_path: Path) -> None:
    donor_of(adam, tmp_path)
    newborn = Member(_adam_in_two, NOW, seed=3)
    (note,) = newborn.exploit(tmp_path, NOW, in_place=False)
    assert note == "optimizer starts fresh: its param groups differ from the checkpoint's"
    assert not newborn.objects["optimizer"].state
    assert newborn.groups[0]["lr"] == 0.08


def test_without_the_donors_schedule_the_rate_is_the_scripts(tmp_path: Path) -> None:
    donor_of(SCHEDULED["one-cycle"], tmp_path)
    newborn = Member(sgd, NOW, seed=3)
    (note,) = newborn.exploit(tmp_path, NOW, in_place=False)
    assert note == "scheduler is in the checkpoint, but not tracked"
    assert newborn.objects["optimizer"].state
    assert newborn.groups[0]["lr"] == 0.08


def _adam_in_two(hp: Mapping[str, Any]) -> Objects:
    model = adam(hp)["model"]
    return {"model": model, "optimizer": torch.optim.Adam(groups(model, hp["lr"]))}


def test_in_place_nothing_is_touched_where_something_does_not_fit(tmp_path: Path) -> None:
    donor_of(adamw, tmp_path)
    newborn = Member(sgd, OLD, seed=3)
    newborn.train(2)
    before = newborn.bytes()
    with pytest.raises(StateError, match=r"in place: optimizer starts fresh: .*AdamW"):
        newborn.exploit(tmp_path, NOW, in_place=True)
    assert newborn.bytes() == before


def test_an_option_that_a_newer_library_added_does_not_make_it_start_fresh(tmp_path: Path) -> None:
    donor_of(adamw, tmp_path)
    newborn = Member(lambda hp: _with_option(adamw(hp), "added_later", 3.0), NOW, seed=3)
    assert newborn.exploit(tmp_path, NOW, in_place=False) == []
    assert newborn.groups[0]["added_later"] == 3.0


def _with_option(objects: Objects, name: str, value: object) -> Objects:
    for group in objects["optimizer"].param_groups:
        group[name] = value
    return objects


@BOTH_WAYS
def test_a_schedule_that_starts_at_zero_is_scaled_all_the_same(in_place: bool, tmp_path: Path) -> None:
    build = scheduled(sgd, lambda opt, _hp: schedules.LambdaLR(opt, lambda step: step / 10))
    assert Member(build, THEN, seed=1).groups[0]["lr"] == 0.0
    donor_of(build, tmp_path, steps=5)
    newborn = newborn_of(build, tmp_path, in_place=in_place)
    assert newborn.train(2) == [pytest.approx([0.04, 0.004]), pytest.approx([0.048, 0.0048])]


def test_non_finite_options_do_not_spread(tmp_path: Path) -> None:
    build = scheduled(
        lambda hp: _with_option(sgd(hp), "bound", math.nan),
        lambda opt, _hp: schedules.ReduceLROnPlateau(opt),
    )
    donor_of(build, tmp_path, steps=0)
    newborn = newborn_of(build, tmp_path, in_place=False, notes=[GOES_ON])
    assert newborn.objects["scheduler"].best == math.inf
    assert math.isnan(newborn.groups[0]["bound"])
    assert newborn.groups[0]["lr"] == 0.08
