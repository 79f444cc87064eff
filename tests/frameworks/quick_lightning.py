"""Members that Lightning trains, in forks of this process: saved, resumed, swapped back and forward, in place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, StochasticWeightAveraging

import pbt_trainer
from frameworks.lives import EXAMPLES, SCRIPTS, Lives, lives
from pbt_trainer.lightning import PopulationCallback
from unit.trainer.population import population_in

HP = {"lr": 1e-3, "dropout": 0.1, "weight_decay": 1e-2}
EPOCH = 22  # steps of the digits
assert lightning.pytorch.__version__.startswith("2.6."), "the version that the docs state"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Member 1 trains to the end. Member 0 is saved within an interval, resumes, copies 1 back, and then forward."""
    script = EXAMPLES / "lightning_digits.py"
    with (
        population_in(tmp_path_factory.mktemp("digits")) as population,
        lives(population, script, total_steps=66, interval_steps=11, objective="val_acc") as found,
    ):
        population.birth(member=1, hyperparameters=HP)
        found.run(member=1)
        population.birth(hyperparameters=HP | {"lr": 3e-3})
        found.run(end=[[0, 1, 30]])
        (saved,) = population.saves()
        population.resume(saved)
        births = {(3, 2): HP | {"lr": 5e-3}, (4, 4): HP | {"lr": 7e-3}}
        found.swap(births, hold=[[0, 2, 50], [0, 3, 25]])
        yield found


def test_each_due_step_is_reported_once_whatever_the_process_goes_through(digits: Lives) -> None:
    steps = {
        life: [fact["step"] for fact in digits.reports(member=0, incarnation=life)] for life in range(1, 5)
    }
    assert steps == {1: [11, 22], 2: [33, 44], 3: [], 4: [55, 66]}
    assert [fact["step"] for fact in digits.facts if fact["what"] == "swapped"] == [23, 45]
    assert all({"val_acc", "train_loss"} <= set(fact["metrics"]) for fact in digits.reports())


def test_counters_schedules_and_rates_are_those_of_the_runs_step(digits: Lives) -> None:
    for fact in digits.counted:
        done = fact["step"]
        assert fact["counter"] == done
        assert (fact["epoch"], fact["batch"]) == divmod(done, EPOCH)
        assert fact["scheduled"] == done // EPOCH  # as often as alone
        assert fact["rate"] == pytest.approx(fact["lr"] * 0.9 ** (done // EPOCH))


def test_no_two_lives_draw_the_same(digits: Lives) -> None:
    assert digits.first_draws() == 5


def test_a_step_is_an_optimizer_step_and_no_report_falls_into_an_accumulation(tmp_path: Path) -> None:
    script = SCRIPTS / "lightning_accumulating.py"
    with (
        population_in(tmp_path) as population,
        lives(population, script, total_steps=12, interval_steps=2) as found,
    ):
        found.through({"lr": 0.1}, changed={"lr": 0.05})
        for fact in found.counted:
            done = fact["step"]
            epoch, steps = divmod(done, 3)  # of 4, 4 and 2 batches
            assert (fact["counter"], fact["epoch"], fact["batch"]) == (done, epoch, 4 * steps)
            assert fact["scheduled"] == done
            assert fact["rate"] == pytest.approx(fact["lr"] * 0.9**done)
        assert [fact["step"] for fact in found.reports(member=1)] == [2, 4, 6, 8, 10, 12]
        assert [fact["step"] for fact in found.reports(incarnation=3)] == [6, 8, 10, 12]


def test_in_manual_optimisation_a_step_is_a_batch(tmp_path: Path) -> None:
    script = SCRIPTS / "lightning_gan.py"
    with (
        population_in(tmp_path) as population,
        lives(population, script, total_steps=12, interval_steps=4) as found,
    ):
        found.through({"lr": 0.1, "critic_lr": 0.2}, changed={"lr": 0.05})
        for fact in found.counted:
            done = fact["step"]
            assert fact["counter"] == 2 * done  # Lightning counts the steps of both optimizers
            assert (fact["epoch"], fact["batch"], fact["scheduled"]) == (*divmod(done, 5), done // 5)
            assert fact["rate"] == pytest.approx(fact["lr"] * 0.5 ** (done // 5))
        assert [fact["step"] for fact in found.reports(incarnation=3)] == [8, 12]
        assert found.first_draws() == 4  # though the script seeds all of them alike


class Net(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, _: int) -> Any:
        return self.layer(batch).mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def fitted(*callbacks: Any, **given: Any) -> None:
    """Four steps of a script alone."""
    run = pbt_trainer.join({}, total_steps=4, interval_steps=2)
    plain = {
        "enable_checkpointing": False,
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
    }
    callback = PopulationCallback(run, "score")
    trainer = Trainer(callbacks=[callback, *callbacks], **plain | {"enable_model_summary": False} | given)
    trainer.fit(Net(), torch.ones(3, 1))


@pytest.mark.parametrize(
    ("callbacks", "given", "named"),
    [
        ([], {"enable_checkpointing": True}, "enable_checkpointing=False"),
        ([EarlyStopping("score")], {}, "EarlyStopping"),
        ([StochasticWeightAveraging(0.1)], {}, "StochasticWeightAveraging"),
        ([], {"max_time": "00:00:01:00"}, "max_time"),
        ([], {"max_epochs": 3}, "max_epochs=3"),
        ([], {"max_steps": 5}, "max_steps=5"),
        ([], {"min_steps": 2}, "min_steps=2"),
    ],
)
def test_what_gets_in_the_way_is_refused_by_its_name(
    callbacks: list[Any], given: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(pbt_trainer.UsageError, match=named):
        fitted(*callbacks, default_root_dir=tmp_path, **given)


def test_a_checkpoint_of_lightnings_own_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(Net(), torch.ones(3, 1))
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    callback = PopulationCallback(pbt_trainer.join({}, total_steps=4, interval_steps=2), "score")
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[callback])
    with pytest.raises(pbt_trainer.UsageError, match="ckpt_path"):
        trainer.fit(Net(), torch.ones(3, 1), ckpt_path=tmp_path / "own.ckpt")


def test_a_metric_that_nobody_logged_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(pbt_trainer.UsageError, match="step 2 is due, and no 'score' was logged"):
        fitted(default_root_dir=tmp_path)
