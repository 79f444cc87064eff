"""The smallest GAN, whose two players circle each other unless they are slowed down at the right time."""

import math
from random import Random
from typing import Any

from learning.task import Task, Values
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter


class DiracGan(Task):
    """The Dirac-GAN (Mescheder, Geiger and Nowozin 2018) with gradient noise: the generator's point is to reach 0.

    The discriminator has one weight w, the loss is f(w theta) + f(0), non-saturating, with the penalty of R1 on w. High
    rates get near fast, and keep circling: they must fall at the right time. The report is -log10 of the distance in
    this very step, the true score that of the root mean square over the last 20 steps. Below 0.01 nearness is luck and
    hardly counts, so the optimum is 2.
    """

    name, total_steps, interval_steps = "dirac-gan", 1500, 30
    rates = ("generator", "discriminator")
    draws = frozenset({"train"})
    start, optimum, noise = 0.0, 2.0, 0.05
    space = (
        Hyperparameter("generator", LogUniform(min=1e-3, max=1.0)),
        Hyperparameter("discriminator", LogUniform(min=1e-3, max=1.0)),
        Hyperparameter("penalty", LogUniform(min=1e-3, max=10.0)),
    )
    defaults = {"generator": 0.05, "discriminator": 0.05, "penalty": 0.1}
    SPREAD = 0.05

    def build(self, rng: Random) -> dict[str, Any]:
        return {"point": 1.0, "weight": 0.0, "recent": [1.0]}

    def copy(self, state: Any) -> dict[str, Any]:
        return {**state, "recent": list(state["recent"])}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        to_point, to_weight, penalty = (float(hyperparameters[h.name]) for h in self.space)
        point, weight, recent = state["point"], state["weight"], state["recent"]
        for _ in range(stop - start):
            # The generator climbs D, the discriminator tells the point from 0; f' is the logistic function.
            slope = logistic(-weight * point)
            step = slope * weight + self.SPREAD * rng.gauss(0, 1)
            told = logistic(weight * point) * point + penalty * weight + self.SPREAD * rng.gauss(0, 1)
            point, weight = clipped(point + to_point * step), clipped(weight - to_weight * told)
            recent.append(point)
        del recent[:-20]
        state["point"], state["weight"] = point, weight

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return [nearness(abs(state["point"]))]

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        recent = state["recent"]
        return nearness(math.sqrt(sum(point * point for point in recent) / len(recent)))

    def schedule(self, step: int) -> Values:
        """Both rates fall by a cosine, under a penalty that damps."""
        fallen = (1 + math.cos(math.pi * step / self.total_steps)) / 2
        return {
            "generator": max(1e-3, 0.1 * fallen),
            "discriminator": max(1e-3, 0.3 * fallen),
            "penalty": 1.0,
        }


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), for any x."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def clipped(x: float) -> float:
    """Far out, but not beyond what a float can be squared of."""
    return max(-1e6, min(1e6, x))


def nearness(distance: float) -> float:
    """-log10 of a distance, of which 0.01 are there in any case: 2 at most."""
    return -math.log10(math.hypot(distance, 0.01))
