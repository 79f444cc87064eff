"""Members of the recipes, in forks of this process: saved, resumed, swapped back and forward, in place."""

from pathlib import Path
from typing import Any

import gymnasium  # noqa: F401  (for the forks)
import lightgbm  # noqa: F401
import pytest
import sklearn.linear_model  # noqa: F401
import torch  # noqa: F401
import xgboost  # noqa: F401

from frameworks.lives import EXAMPLES, lives
from frameworks.recipes import RECIPES, Example, assert_lived
from unit.trainer.population import population_in

VALUES: dict[str, dict[str, Any]] = {
    "torch_digits": {"lr": 3e-3, "weight_decay": 0.01, "dropout": 0.1, "label_smoothing": 0.1},
    "ppo_cartpole": {"lr": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "ent_coef": 0.01, "clip_coef": 0.2},
    "xgboost_digits": {"eta": 0.3, "subsample": 0.8, "max_depth": 4, "min_child_weight": 1.0},
    "sklearn_digits": {"eta0": 0.1, "alpha": 1e-4},
    "lightgbm_digits": {"learning_rate": 0.1, "bagging_fraction": 0.8, "num_leaves": 8, "lambda_l2": 1.0},
}
CHANGED: dict[str, dict[str, Any]] = {
    "torch_digits": {"lr": 1e-3, "dropout": 0.3},
    "ppo_cartpole": {"lr": 2e-3, "gamma": 0.9, "clip_coef": 0.3},
    "xgboost_digits": {"eta": 0.2, "max_depth": 2},
    "sklearn_digits": {"eta0": 0.05, "alpha": 1e-3},
    "lightgbm_digits": {"learning_rate": 0.2, "num_leaves": 4},
}


@pytest.mark.parametrize(
    "example", [each for each in RECIPES if each.name in VALUES], ids=lambda example: example.name
)
def test_a_member_goes_back_and_forward_in_place(example: Example, tmp_path: Path) -> None:
    objective = "return" if example.name == "ppo_cartpole" else "accuracy"
    given = {"total_steps": 12, "interval_steps": 2, "objective": objective}
    values = VALUES[example.name]
    script = EXAMPLES / f"{example.name}.py"
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        found.back_and_forward(values, changed=CHANGED[example.name], saves=example.saves)
        assert_lived(found, example)
