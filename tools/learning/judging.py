"""What scores say: gains over random search, whether an arm is worse somewhere, and one figure over all tasks.

All comparisons are paired by seed. Scores are in units of a task's range: 0 is the untrained start, 1 the optimum. A
gain is a difference of scores in units of what random search leaves to be gained in the same cell.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pbt_operator.core.rules.welch import welch

BASELINE = "random"
REPEATS = 4000
"""Of a bootstrap."""


class Cell(NamedTuple):
    """Where arms are compared: a task in a form, for a number of members."""

    task: str
    form: str
    members: int


Scores = Mapping[str, Mapping[int, float]]
"""Of one cell: by arm, then by seed."""

Samples = Mapping[Cell, Scores]


class Gain(NamedTuple):
    """Of an arm over another one in a cell.

    Attributes:
        mean: the gain; 0 where nothing can be gained.
        low: of the 95 % interval of the mean.
        high: of that interval.
        seeds: how many pairs there are.
        p_above: how probable such pairs would be if the arm were not above the other one.
        p_below: the same, were it not below.
        p_inferior: the same, were it worse by the margin.
    """

    mean: float
    low: float
    high: float
    seeds: int
    p_above: float
    p_below: float
    p_inferior: float


class Figure(NamedTuple):
    """A mean gain over tasks, with its 95 % interval."""

    mean: float
    low: float
    high: float
    tasks: int


def paired(scores: Scores, *arms: str) -> NDArray[np.float64]:
    """The scores of arms on the seeds that all of them have: (arms, seeds)."""
    seeds = sorted(set.intersection(*(set(scores.get(arm, {})) for arm in arms)))
    return np.array([[scores[arm][seed] for seed in seeds] for arm in arms])


def saturated(scores: Scores, limit: float) -> bool:
    """Whether random search is so near to the optimum that nothing is left to compare."""
    known = list(scores.get(BASELINE, {}).values())
    return bool(known) and float(np.mean(known)) > limit


def gain(scores: Scores, arm: str, against: str = BASELINE, *, margin: float) -> Gain | None:
    """The gain of an arm in one cell.

    The margin is a share of what random search leaves to be gained, which is known no better than its mean: so the
    test is of the mean of `arm - against + margin * (1 - random)`, which is linear in the pairs.

    Args:
        scores: of the cell.
        arm: which one.
        against: the other one.
        margin: by how much the arm may be worse and isn't inferior.

    Returns:
        None where there are fewer than two pairs.
    """
    ours, others, random = paired(scores, arm, against, BASELINE)
    seeds = len(ours)
    if seeds < 2:
        return None
    difference, left = ours - others, 1 - random
    room = float(left.mean())
    mean = float(difference.mean())
    half = _t_quantile(seeds - 1) * float(difference.std(ddof=1)) / math.sqrt(seeds)
    return Gain(
        mean / room,
        (mean - half) / room,
        (mean + half) / room,
        seeds,
        p_above=_mean_is_positive(difference),
        p_below=_mean_is_positive(-difference),
        p_inferior=_mean_is_positive(difference + margin * left),
    )


def figure(
    samples: Samples, arm: str, against: str = BASELINE, *, limit: float, seed: int = 0
) -> Figure | None:
    """The mean gain over tasks, each the mean over its cells, by a hierarchical bootstrap.

    Tasks are drawn, then the seeds of each: all cells of a task share a seed's draws, so they are drawn together
    (Efron and Tibshirani 1993, chapter 8).

    Args:
        samples: of all cells that count.
        arm: which one.
        against: the other one.
        limit: cells in which random search is above it are left out, see `saturated`.
        seed: of the bootstrap.

    Returns:
        None where no cell has pairs.
    """
    tasks = _by_task(samples, arm, against, limit)
    if not tasks:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(tasks), (len(tasks), REPEATS))
    means = np.zeros(REPEATS)
    for slot in drawn:
        for number, task in enumerate(tasks):
            (chosen,) = np.nonzero(slot == number)
            means[chosen] += _drawn_gains(task, len(chosen), rng) / len(tasks)
    exact = float(np.mean([_gains(task.mean(-1, keepdims=True)).mean() for task in tasks]))
    low, high = np.quantile(means, (0.025, 0.975))
    return Figure(exact, float(low), float(high), len(tasks))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being many (Holm 1979): comparing each with a level keeps that level for all."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def seeds_needed(deviation: float, *, margin: float, alpha: float, power: float) -> int:
    """How many pairs show that two equal arms differ by less than the margin.

    Args:
        deviation: the standard deviation of the paired differences, in the unit of the margin.
        margin: above 0.
        alpha: the level of the one-sided test, divided by the number of tests where there are many.
        power: how probable it is to show it.
    """
    normal = NormalDist()
    needed = ((normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * deviation / margin) ** 2
    return max(2, math.ceil(needed))


def _by_task(samples: Samples, arm: str, against: str, limit: float) -> list[NDArray[np.float64]]:
    """For each task its scores on the seeds that all its cells have: (cells, arm and other and random, seeds)."""
    found: dict[str, list[Scores]] = {}
    for cell, scores in sorted(samples.items()):
        if {arm, against, BASELINE} <= scores.keys() and not saturated(scores, limit):
            found.setdefault(cell.task, []).append(scores)
    tasks = []
    for cells in found.values():
        seeds = set.intersection(
            *(set(scores[name]) for scores in cells for name in (arm, against, BASELINE))
        )
        rows = [
            [[s[name][seed] for seed in sorted(seeds)] for name in (arm, against, BASELINE)] for s in cells
        ]
        tasks += [np.array(rows)] if seeds else []
    return tasks


def _drawn_gains(task: NDArray[np.float64], repeats: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The mean gain of a task's cells for as many draws of its seeds: (repeats,)."""
    seeds = task.shape[-1]
    counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=repeats)
    return _gains(task @ (counts.T / seeds)).mean(0)


def _gains(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of means (cells, arm and other and random, repeats): (cells, repeats)."""
    return (means[:, 0] - means[:, 1]) / (1 - means[:, 2])


def _mean_is_positive(values: NDArray[np.float64]) -> float:
    """The one-sided p-value of a t-test: Welch's against a constant 0 is the test of one sample."""
    return welch(values.tolist(), [0.0, 0.0])


def _t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution, right to 1 % from 3 degrees of freedom on.

    Source: Abramowitz and Stegun 1964, 26.7.5.
    """
    z = NormalDist().inv_cdf(0.975)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
