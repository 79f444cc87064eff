"""Optuna's TPE sampler with its Hyperband pruner: fixed configurations, chosen by what earlier ones came to.

Trials run one after the other, which is in its favour: each is chosen knowing all the others. The sampler's first
trials, which it draws at random, are the first ones of our populations; so many as there are, at most the ten that are
its default. A trial that reports NaN is pruned, with the NaN reported: Optuna ranks it last among those pruned at the
same step, and samples elsewhere. `Study.best_trial` is named in the end, the best that was completed; if none was, the
one with the best last report.
"""

import math
import warnings
from typing import Any

import optuna

from learning.peers.scale import scale_of
from learning.peers.trainee import Budget, Trainee, outcome
from learning.population import Outcome, first_values
from learning.task import Task, Values

REDUCTION = 3
STARTUP = 10
"""Trials that the sampler draws at random; Optuna's default."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


def run(task: Task, members: int, seed: int) -> Outcome:
    """Trains until the steps of so many members are spent.

    Args:
        task: what is trained.
        members: whose steps are the budget.
        seed: of everything that is drawn.
    """
    budget = Budget.of(task, members)
    study = _study(task, seed)
    for values in first_values(task, members, seed)[:STARTUP]:
        study.enqueue_trial(_shown(values, task))
    number, pruned, curve = 0, 0, []
    best: tuple[tuple[bool, float], Trainee] | None = None
    while budget.left:
        trial = study.ask()
        trainee = Trainee(task, number, _suggested(trial, task), seed=seed, budget=budget)
        complete, score = _trained(trial, trainee, budget)
        if complete:
            study.tell(trial, score)
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        number, pruned = number + 1, pruned + (not complete)
        # Only what is complete competes with what is complete.
        if math.isfinite(score) and (best is None or (complete, score) > best[0]):
            best = (complete, score), trainee
        curve.append(best[0][1] if best else math.nan)
    return outcome(best[1] if best else None, task=task, budget=budget, replaced=pruned, curve=curve)


def _study(task: Task, seed: int) -> Any:
    rounds = -(-task.total_steps // task.interval_steps)
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        return optuna.create_study(
            study_name=f"{seed}",  # the pruner chooses a trial's bracket by it
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=STARTUP),
            pruner=optuna.pruners.HyperbandPruner(
                min_resource=1, max_resource=rounds, reduction_factor=REDUCTION
            ),
        )


def _trained(trial: Any, trainee: Trainee, budget: Budget) -> tuple[bool, float]:
    """Trains until the end, or until it is pruned or the budget spent: whether to the end, and the last score."""
    number, score = 0, math.nan
    while not trainee.done and budget.left:
        number, score = number + 1, trainee.train()
        trial.report(score, number)
        if math.isnan(score) or (not trainee.done and trial.should_prune()):
            return False, score
    return trainee.done, score


def _suggested(trial: Any, task: Task) -> Values:
    """What the sampler chooses, on the scales of our space."""
    values: dict[str, Any] = {}
    for h in task.space:
        scale = scale_of(h)
        if scale is None:
            values[h.name] = trial.suggest_categorical(h.name, h.space.axis()["values"])
        elif scale.kind == "integer":
            values[h.name] = trial.suggest_int(h.name, scale.low, scale.high)
        else:
            low, high = scale.bounds
            values[h.name] = scale.value(trial.suggest_float(h.name, low, high, log=scale.logarithmic))
    return values


def _shown(values: Values, task: Task) -> dict[str, Any]:
    """As `_suggested` asks for them."""
    shown: dict[str, Any] = {}
    for h in task.space:
        scale = scale_of(h)
        plain = scale is None or scale.kind == "integer"
        shown[h.name] = values[h.name] if plain or scale is None else scale.inside(values[h.name])
    return shown
