"""Members that a Trainer of Transformers trains, in forks of this process, as for Lightning."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

import pbt_trainer
import pbt_trainer.transformers
from frameworks.lives import EXAMPLES, SCRIPTS, Fact, Lives, lives
from unit.trainer.population import population_in

HP = {"learning_rate": 1e-3, "weight_decay": 0.01}
TOTAL, EPOCH, WARM_UP = 66, 32, 10
assert transformers.__version__.startswith("5.24."), "the version that the docs state"


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Member 1 trains to the end. Member 0 is saved within an interval, resumes, copies 1 back, and then forward."""
    script = EXAMPLES / "transformers_sums.py"
    with (
        population_in(tmp_path_factory.mktemp("sums")) as population,
        lives(population, script, total_steps=TOTAL, interval_steps=11, objective="eval_accuracy") as found,
    ):
        population.birth(member=1, hyperparameters=HP)
        found.run(member=1)
        population.birth(hyperparameters=HP | {"learning_rate": 3e-3})
        found.run(end=[[0, 1, 30]])
        (saved,) = population.saves()
        population.resume(saved)
        births = {(3, 2): HP | {"learning_rate": 5e-3}, (4, 4): HP | {"learning_rate": 7e-3}}
        found.swap(births, hold=[[0, 2, 50], [0, 3, 25]])
        yield found


def test_each_due_step_is_reported_once_whatever_the_process_goes_through(sums: Lives) -> None:
    steps = {
        life: [fact["step"] for fact in sums.reports(member=0, incarnation=life)] for life in range(1, 5)
    }
    assert steps == {1: [11, 22], 2: [33, 44], 3: [], 4: [55, 66]}
    assert [fact["step"] for fact in sums.facts if fact["what"] == "swapped"] == [23, 45]
    assert all({"eval_accuracy", "eval_loss"} <= set(fact["metrics"]) for fact in sums.reports())


def test_counters_schedules_and_rates_are_those_of_the_runs_step(sums: Lives) -> None:
    for fact in sums.counted:
        done = fact["step"]
        assert fact["counter"] == fact["scheduled"] == done
        assert fact["epoch"] == pytest.approx(done / EPOCH)
        assert fact["rate"] == pytest.approx(_cosine(fact))


def test_no_two_lives_draw_the_same_though_a_trainer_seeds_all_alike(sums: Lives) -> None:
    assert sums.first_draws() == 5


def test_lora_is_kept_alone_and_no_report_falls_into_an_accumulation(tmp_path: Path) -> None:
    script = SCRIPTS / "transformers_lora.py"
    given = {"total_steps": 12, "interval_steps": 2, "objective": "eval_loss"}
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        found.through({"learning_rate": 0.1}, changed={"learning_rate": 0.05})
        for fact in found.counted:
            done = fact["step"]
            assert fact["counter"] == fact["scheduled"] == done
            epoch, steps = divmod(done, 3)  # of 3, 3 and 2 batches
            assert fact["epoch"] == pytest.approx(epoch + 3 * steps / 8)
            assert fact["rate"] == pytest.approx(fact["lr"] * (1 - done / 12))
        assert [fact["step"] for fact in found.reports(member=1)] == [2, 4, 6, 8, 10, 12]
        assert [fact["step"] for fact in found.reports(incarnation=3)] == [6, 8, 10, 12]
        folder = next((tmp_path / "store" / "checkpoints").glob("*/*"))
        model = json.loads((folder / "state.json").read_text())["objects"]["model"]
        assert model["class"].endswith("Trainable")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"save_strategy": "steps"}, "save_strategy"),
        (
            {"load_best_model_at_end": True, "eval_strategy": "steps", "save_strategy": "best"},
            "save_strategy",
        ),
        ({"resume_from_checkpoint": "last"}, "resume_from_checkpoint"),
        ({"enable_jit_checkpoint": True}, "enable_jit_checkpoint"),
        ({"auto_find_batch_size": True}, "auto_find_batch_size"),
        ({"callbacks": [EarlyStoppingCallback()]}, "EarlyStoppingCallback"),
        ({"model_init": lambda: torch.nn.Linear(1, 1), "model": None}, "model_init"),
    ],
)
def test_what_gets_in_the_way_is_refused_by_its_name(
    given: dict[str, Any], named: str, tmp_path: Path
) -> None:
    run = pbt_trainer.join({}, total_steps=4, interval_steps=2)
    own = {name: given.pop(name) for name in ("callbacks", "model", "model_init") if name in given}
    args = TrainingArguments(
        output_dir=tmp_path, report_to=[], use_cpu=True, **({"save_strategy": "no"} | given)
    )
    rows = [{"input": torch.ones(1)}]
    trainer = Trainer(
        **({"model": torch.nn.Linear(1, 1)} | own), args=args, train_dataset=rows, eval_dataset=rows
    )
    with pytest.raises(pbt_trainer.UsageError, match=named):
        pbt_trainer.transformers.train(trainer, run, "eval_loss")


def _cosine(fact: Fact) -> float:
    """The birth's rate times the schedule."""
    done, rate = fact["step"], fact["lr"]
    if done < WARM_UP:
        return float(rate * done / WARM_UP)
    return float(rate * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (TOTAL - WARM_UP))))
