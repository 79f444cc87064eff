"""Ray's `PB2`: PBT whose explore is a Gaussian-process bandit. It knows numbers only, and bounds on a linear scale.

So what is logarithmic is handed to it as an exponent, that of 1 - x where that is logarithmic, as a knowing user would.
First values are those of our populations. It runs in Ray's default mode, the asynchronous one. Which tasks it can't
search, `registry` says.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers.pb2 import PB2

from learning.peers.driven import METRIC, TIME, Drive
from learning.peers.fake_trials import FakeTrial
from learning.peers.scale import Scale, scale_of
from learning.peers.trainee import Budget, Trainee
from learning.population import Outcome, first_values
from learning.task import Task, Values


def run(task: Task, members: int, seed: int) -> Outcome:
    """Trains a population under Ray's PB2.

    Args:
        task: what is trained; all of its space are numbers.
        members: how many trials, all of which run at the same time.
        seed: of everything that is drawn; first values and noise are those of our populations.
    """
    scales = {h.name: scale for h in task.space if (scale := scale_of(h)) is not None}
    budget = Budget.of(task, members)
    trials = [
        FakeTrial(Trainee(task, number, values, seed=seed, budget=budget), shown(values, scales))
        for number, values in enumerate(first_values(task, members, seed))
    ]
    scheduler = PB2(
        time_attr=TIME,
        metric=METRIC,
        mode="max",
        perturbation_interval=task.interval_steps,
        hyperparam_bounds={name: [_shown(b, scale) for b in scale.bounds] for name, scale in scales.items()},
        quantile_fraction=0.25,
        log_config=False,
    )
    drive = Drive(
        scheduler,
        trials,
        task=task,
        seed=seed,
        budget=budget,
        read=lambda config: meant(config, scales),
        failed=lambda lowest: lowest,
    )
    with warnings.catch_warnings(
        action="ignore"
    ):  # its fits often end at a bound, about which scikit-learn warns
        return drive.asynchronously()


def shown(values: Values, scales: Mapping[str, Scale]) -> dict[str, float]:
    """The configuration that stands for these values."""
    return {name: _shown(scale.inside(values[name]), scale) for name, scale in scales.items()}


def meant(config: Mapping[str, Any], scales: Mapping[str, Scale]) -> Values:
    """The values that a configuration stands for."""
    return {
        name: scale.value(10 ** config[name] if scale.logarithmic else config[name])
        for name, scale in scales.items()
    }


def _shown(inside: float, scale: Scale) -> float:
    return math.log10(inside) if scale.logarithmic else float(inside)
