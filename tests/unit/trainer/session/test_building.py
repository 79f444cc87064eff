"""Build functions: what they may return, under which names it is tracked, and what they are asked again."""

from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

import pbt_trainer
from pbt_contract.errors import StateError
from pbt_trainer import Run, UsageError
from pbt_trainer.session.building import Building
from pbt_trainer.session.hyperparameters import Hyperparameters

HP = {"lr": 0.1, "wd": 0.01}


@pytest.fixture
def run() -> Run:
    return pbt_trainer.join(HP, total_steps=8, interval_steps=4)


@pytest.fixture
def model() -> torch.nn.Module:
    return torch.nn.Linear(2, 1)


def adamw(model: torch.nn.Module, hp: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=hp["lr"], weight_decay=hp["wd"])


def test_a_dict_names_what_is_tracked_and_the_function_is_called_once(run: Run, model: Any) -> None:
    calls = []

    @run.build
    def build() -> dict[str, Any]:
        calls.append(1)
        optimizer = adamw(model, run.hp)
        return {"optimizer": optimizer, "schedule": CosineAnnealingLR(optimizer, run.total_steps)}

    assert calls == []
    run.track(model=model)
    assert calls == [1]
    assert list(run.built) == ["optimizer", "schedule"]
    assert isinstance(run.built["optimizer"], torch.optim.AdamW)
    assert build() == dict(run.built)
    assert calls == [1]
    assert run.hp.baked_in(HP) is None


def test_track_needs_nothing_else_where_a_function_builds(run: Run, model: Any) -> None:
    run.build(lambda: {"optimizer": adamw(model, run.hp)})
    run.track()
    assert list(run.built) == ["optimizer"]


def test_a_row_of_objects_takes_the_names_that_track_gives_them(run: Run, model: Any) -> None:
    @run.build
    def build() -> Any:
        optimizer = adamw(model, run.hp)
        return optimizer, LambdaLR(optimizer, lambda step: 1 / (1 + step))

    optimizer, schedule = build()
    run.track(model=model, adam=optimizer, decay=schedule)
    assert run.built == {"adam": optimizer, "decay": schedule}


def test_one_object_needs_no_row_and_there_may_be_several_functions(run: Run, model: Any) -> None:
    first = run.build(lambda: torch.optim.SGD(model.parameters(), lr=run.hp["lr"]))()
    second = run.build(lambda: torch.optim.SGD(model.parameters(), lr=run.hp["wd"]))()
    run.track(model=model, first=first, second=second)
    assert run.built == {"first": first, "second": second}


def test_a_function_keeps_its_name_and_what_it_is_for(run: Run) -> None:
    @run.build
    def build() -> dict[str, Any]:
        """What it is for."""
        return {}

    assert (build.__name__, build.__doc__) == ("build", "What it is for.")


def test_an_object_that_a_checkpoint_may_lack_is_marked_where_it_is_tracked(run: Run, model: Any) -> None:
    optimizer = run.build(lambda: adamw(model, run.hp))()
    run.track(model=model, optimizer=pbt_trainer.optional(optimizer))
    assert run.built["optimizer"] is optimizer


def test_what_depends_on_no_build_is_to_be_tracked_outside(run: Run, model: Any) -> None:
    run.build(lambda: {"model": model})
    with pytest.raises(UsageError, match=r"returned a Linear as 'model': .* track it there"):
        run.track()


@pytest.mark.parametrize("wrong", [None, 3, [None]])
def test_what_is_no_optimizer_or_scheduler_is_named(run: Run, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"returned a (NoneType|int)"):
        run.build(lambda: wrong)()


def test_a_scheduler_comes_with_its_optimizer(run: Run, model: Any) -> None:
    optimizer = adamw(model, run.hp)
    schedule = run.build(lambda: CosineAnnealingLR(optimizer, 8))
    with pytest.raises(
        UsageError, match="CosineAnnealingLR without its optimizer: build both in one function"
    ):
        schedule()


def test_what_nobody_names_is_an_error_that_says_what_to_do(run: Run, model: Any) -> None:
    run.build(lambda: [adamw(model, run.hp)])
    with pytest.raises(UsageError, match=r"AdamW that nobody tracks: .*return a dict of names"):
        run.track(model=model)


def test_one_name_for_two_objects_is_an_error(run: Run, model: Any) -> None:
    run.build(lambda: {"optimizer": adamw(model, run.hp)})
    with pytest.raises(UsageError, match="returned another 'optimizer'"):
        run.track(model=model, optimizer=adamw(model, run.hp))


def test_the_order_of_calls_is_told(run: Run, model: Any) -> None:
    with pytest.raises(UsageError, match="takes a function without arguments"):
        run.build(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"run.track\(...\) comes before run.built"):
        run.built  # noqa: B018
    run.track(model=model)
    with pytest.raises(UsageError, match=r"run.build comes before run.track"):
        run.build(lambda: adamw(model, run.hp))


def test_what_is_built_and_never_tracked_is_an_error_at_the_first_step(run: Run, model: Any) -> None:
    run.build(lambda: adamw(model, run.hp))()
    with pytest.raises(UsageError, match=r"is not tracked: call run.track\(\) before the loop"):
        run.advance()


def test_a_function_is_asked_again_under_the_names_of_the_first_time(model: Any) -> None:
    hp = Hyperparameters(HP)
    building = Building(hp)
    one = building.add(lambda: adamw(model, hp))
    building.add(lambda: {"other": torch.optim.SGD(model.parameters(), lr=hp["lr"])})
    building.complete({"optimizer": one()})
    hp.replace({"lr": 0.5})
    again = building.again()
    assert {name: type(value).__name__ for name, value in again.items()} == {
        "optimizer": "AdamW",
        "other": "SGD",
    }
    assert again["optimizer"] is not one()
    assert [value.param_groups[0]["lr"] for value in again.values()] == [0.5, 0.5]
    assert building.found()["optimizer"].param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            lambda model, hp: {"optimizer": adamw(model, hp), "more": adamw(model, hp)},
            "returned more, optimizer, and",
        ),
        (lambda _model, _hp: {}, "returned nothing, and at first optimizer"),
        (adamw, "returned one object, and at first optimizer"),
        (lambda _model, hp: hp["none"], "failed: KeyError: 'none'"),
    ],
)
def test_a_function_that_fails_or_returns_other_things_later_is_an_error_of_the_takeover(
    model: Any, wrong: Any, told: str
) -> None:
    hp = Hyperparameters(HP)
    building, made = Building(hp), []

    def build() -> Any:
        made.append(1)
        return {"optimizer": adamw(model, hp)} if len(made) == 1 else wrong(model, hp)

    building.add(build)
    building.complete({})
    with pytest.raises(StateError, match=told):
        building.again()
