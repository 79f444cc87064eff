"""Ray's `PopulationBasedTraining` with our space, prior, first values and moves: it chooses who copies whom, and when.

Ray knows neither bounds nor the scale of 1 - x: its own explore multiplies a discount by 0.8 or 1.2. Its
`custom_explore_fn` is the place for a user's own, and here it is the core's `explore`: it resamples with the same share
from the same prior, moves what is logarithmic in logarithms, and reflects at the bounds. `hyperparam_mutations` stays
empty, so that Ray does nothing to the values besides. Quantiles are 25 %, as is Ray's default.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from ray.tune.schedulers import PopulationBasedTraining

from learning.peers.driven import METRIC, TIME, Drive
from learning.peers.fake_trials import FakeTrial
from learning.peers.trainee import Budget, Trainee
from learning.population import Outcome, first_values, spec_of
from learning.task import Task, Values
from pbt_operator.core.auto import auto_rules
from pbt_operator.core.explore import explore
from pbt_operator.core.rules import ExploreRule
from pbt_operator.core.transcript import Transcript

PLENTY = 10
"""So many times the steps of our members are enough for every trial to come to its end."""
VALUES = "hyperparameters"
"""Where a trial's configuration has them."""


def run(
    task: Task,
    members: int,
    seed: int,
    *,
    synchronous: bool = False,
    bounded: bool = True,
    rule: ExploreRule | None = None,
) -> Outcome:
    """Trains a population under Ray's PBT.

    Args:
        task: what is trained.
        members: how many trials, all of which run at the same time.
        seed: of everything that is drawn; first values and noise are those of our populations.
        synchronous: Ray's `synch`; its default is False.
        bounded: whether the run ends when as many steps were trained as our members train. Tune's would end only when
            each trial is at its last step, after up to a tenth more; `steps` tells how many.
        rule: how values move; that of the product's strategy Auto where None.
    """
    budget = Budget.of(task, members, times=1 if bounded else PLENTY)
    trials = population(task, members, seed, budget)
    scheduler = scheduler_of(task, OurExplore(task, members, seed, rule), seed, synchronous=synchronous)
    drive = Drive(scheduler, trials, task=task, seed=seed, budget=budget, read=values_in)
    return drive.synchronously() if synchronous else drive.asynchronously()


class OurExplore:
    """A `custom_explore_fn`: the core's explore of what was copied."""

    def __init__(self, task: Task, members: int, seed: int, rule: ExploreRule | None = None) -> None:
        spec = spec_of(task, members)
        self._spec = replace(spec, seed=seed, explore=rule or auto_rules(spec).explore)
        self._numbers = count(1)

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        """The donor's configuration with its values moved. Ray doesn't say for whom, so moves are numbered."""
        view = self._spec.view(next(self._numbers), ())
        values, _ = explore(config[VALUES], member=0, transcript=Transcript(view, self._spec))
        return {**config, VALUES: values}


def population(task: Task, members: int, seed: int, budget: Budget) -> list[FakeTrial]:
    """A trial for each member, with the first values of our populations."""
    return [
        FakeTrial(Trainee(task, number, values, seed=seed, budget=budget), {VALUES: dict(values)})
        for number, values in enumerate(first_values(task, members, seed))
    ]


class Seeded(PopulationBasedTraining):
    """Ray's own class, with the seed of each draw of donors set: Ray takes it from Python's generator for all."""

    def __init__(self, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._seed, self._comparisons = seed, count(1)

    def _quantiles(self) -> Any:
        """As Ray's, which is asked once for each comparison, before the draws."""
        random.seed(f"{self._seed}/{next(self._comparisons)}")
        return super()._quantiles()


def scheduler_of(task: Task, ours: OurExplore, seed: int, *, synchronous: bool) -> PopulationBasedTraining:
    """Ray's scheduler, set as the module says."""
    return Seeded(
        seed,
        time_attr=TIME,
        metric=METRIC,
        mode="max",
        perturbation_interval=task.interval_steps,
        custom_explore_fn=ours,
        quantile_fraction=0.25,
        log_config=False,
        synch=synchronous,
    )


def values_in(config: Mapping[str, Any]) -> Values:
    """The hyperparameters of a trial's configuration."""
    values: Values = config[VALUES]
    return values
