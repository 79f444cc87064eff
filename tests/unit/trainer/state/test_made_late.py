"""Optimizers and schedules made after `track`: an error that names the order, where they touch what is tracked."""

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from pbt_contract.errors import UsageError
from pbt_trainer.state.tracked import Tracked


def tracked(model: torch.nn.Module, **others: object) -> Tracked:
    made = Tracked(total_steps=9)
    made.add("model", model)
    for name, value in others.items():
        made.add(name, value)
    made.complete()
    return made


def test_a_schedule_on_a_tracked_optimizer_is_too_late() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    made = tracked(model, optimizer=optimizer)
    late = schedules.CosineAnnealingLR(optimizer, T_max=9)
    with pytest.raises(
        UsageError, match=r"A CosineAnnealingLR was made after track\(\).* make it before track"
    ):
        made.check_complete()
    assert late.last_epoch == 0


def test_an_optimizer_of_a_tracked_model_is_too_late() -> None:
    model = torch.nn.Linear(2, 2)
    made = tracked(model)
    late = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match="A SGD was made after track"):
        made.check_complete()
    assert late.param_groups


def test_what_was_there_may_be_untracked() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = schedules.StepLR(optimizer, 3)
    tracked(model, optimizer=optimizer).check_complete()
    assert schedule.last_epoch == 0


def test_what_touches_nothing_tracked_is_nobodys_business() -> None:
    made = tracked(torch.nn.Linear(2, 2))
    probe = torch.optim.LBFGS([torch.zeros(1, requires_grad=True)])
    schedule = schedules.StepLR(probe, 3)
    made.check_complete()
    assert schedule.last_epoch == 0


def test_it_looks_once_before_the_loop() -> None:
    model = torch.nn.Linear(2, 2)
    made = tracked(model)
    made.check_complete()
    within = torch.optim.SGD(model.parameters(), lr=0.1)
    made.check_complete()
    assert within.param_groups
