"""Greedy traps with a theory: what is better in the end looks worse at first."""

import math
from random import Random
from typing import Any

import numpy as np

from learning.task import Task, Values
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter


class Quadratic(Task):
    """T1. The noisy quadratic model (Wu et al. 2018, Zhang et al. 2019), whose expected loss is computed exactly.

    100 dimensions with curvatures h = i^-1.5 and gradient noise 0.05 h. A high learning rate makes progress where the
    curvature is low and keeps noise high meanwhile; who is greedy lowers it too early (short-horizon bias). The score
    is -log10 of the expected loss. Above 2 training diverges, so the best rates lie inside the space, below 2; the
    published one ends at 1. The optimum is that of the schedule with 9 knots that Powell's method finds.
    """

    name, total_steps, interval_steps = "quadratic", 2000, 20
    rates = ("lr",)
    noise = 0.03
    defaults = {"lr": 0.1}
    CURVATURE = 1.0 / np.arange(1, 101) ** 1.5
    NOISE = 0.05 * CURVATURE
    start = -math.log10(0.5 * float(CURVATURE.sum()))
    optimum = 2.597
    KNOTS = (0.29, 0.29, 0.29, -0.02, -0.27, -0.53, -0.84, -1.31, -2.19)

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        self.space = (Hyperparameter("lr", LogUniform(min=1e-3, max=1.0 if published else 3.0)),)

    def build(self, rng: Random) -> dict[str, Any]:
        return {"mean": np.ones(100), "variance": np.zeros(100)}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        rate = hyperparameters["lr"]
        kept = 1 - rate * self.CURVATURE
        with np.errstate(all="ignore"):
            power = kept ** (stop - start)
            square = power * power
            state["mean"] = state["mean"] * power
            grown = rate * rate * self.NOISE * (1 - square) / (1 - kept * kept)
            state["variance"] = state["variance"] * square + grown

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        with np.errstate(all="ignore"):
            loss = 0.5 * float(self.CURVATURE @ (state["mean"] ** 2 + state["variance"]))
        return -math.log10(loss) if loss > 0 else math.nan

    def schedule(self, step: int) -> Values:
        """Log-linear between the knots."""
        at = np.linspace(0, self.total_steps, len(self.KNOTS))
        return {"lr": 10 ** float(np.interp(step + self.interval_steps / 2, at, self.KNOTS))}


class Entropy(Task):
    """T2. Exploration pays later: the score is (1 - e) K, and K grows by 0.01 gain(e) (1 - K) a step.

    Who is greedy lowers e at once and stops learning. The optimum is e = 1 to the last interval, then a low one. The
    gain is e (2 - e), so that 1 lies inside the space; in the published form it is e, up to 1.
    """

    name, total_steps, interval_steps = "entropy", 1000, 20
    rates = ("e",)
    start, optimum, noise = 0.0, 0.999, 0.02
    defaults = {"e": 0.1}

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        self.space = (Hyperparameter("e", LogUniform(min=1e-3, max=1.0 if published else 2.0)),)

    def build(self, rng: Random) -> dict[str, Any]:
        return {"knowledge": 0.0, "e": 0.0}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        e = hyperparameters["e"]
        gain = e if self.published else e * (2 - e)
        state["knowledge"] = 1 - (1 - state["knowledge"]) * (1 - 0.01 * gain) ** (stop - start)
        state["e"] = e  # what it acts with is what it was trained with last, annealed or not

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return (1 - state["e"]) * state["knowledge"]

    def schedule(self, step: int) -> Values:
        return {"e": 1.0 if step < self.total_steps - self.interval_steps else 1e-3}
