"""Tasks whose optimum moves while they are trained, so that no fixed configuration is good for long."""

import math
from collections.abc import Sequence
from random import Random
from typing import Any

from learning.task import Task, Values, position
from pbt_operator.core.distributions import Choice, LogUniform, Uniform
from pbt_operator.core.search import Hyperparameter

WIDTH = 0.25
"""How near to the optimum a configuration gains much, in shares of a range."""


def nearness(point: Sequence[float], best: Sequence[float]) -> float:
    """1 at the best point, falling with the distance."""
    return math.exp(-sum((x - y) ** 2 for x, y in zip(point, best, strict=True)) / (2 * WIDTH**2))


class Tracking(Task):
    """T3. What a step gains falls with the distance to a point that moves on sines in four dimensions.

    Each instance has its own frequencies and phases; the point stays between 0.15 and 0.85 of each range. The optimum,
    1, is to be there all the time.
    """

    name, total_steps, interval_steps = "tracking", 1000, 20
    rates = ("a",)
    start, optimum, noise = 0.0, 1.0, 0.01
    space = (
        Hyperparameter("a", LogUniform(min=1e-4, max=1.0)),
        Hyperparameter("b", LogUniform(min=1e-4, max=1.0)),
        Hyperparameter("c", Uniform(min=1.0, max=2.0)),
        Hyperparameter("d", Uniform(min=1.0, max=2.0)),
    )
    defaults = {"a": 0.01, "b": 0.01, "c": 1.5, "d": 1.5}

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        rng = Random(f"track/{instance}")
        self.frequencies = [rng.uniform(0.3, 1.0) for _ in range(4)]
        self.phases = [rng.random() for _ in range(4)]

    def target(self, step: float) -> list[float]:
        """The best point at a step, in shares of the ranges."""
        turned = (step / self.total_steps * f + p for f, p in zip(self.frequencies, self.phases, strict=True))
        return [0.5 + 0.35 * math.sin(2 * math.pi * turn) for turn in turned]

    def build(self, rng: Random) -> dict[str, Any]:
        return {"gained": 0.0}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        point = [position(h, hyperparameters[h.name]) for h in self.space]
        gain = nearness(point, self.target((start + stop) / 2))
        state["gained"] += (stop - start) / self.total_steps * gain

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return state["gained"]

    def schedule(self, step: int) -> Values:
        a, b, c, d = self.target(step + self.interval_steps / 2)
        return {"a": 10 ** (4 * a - 4), "b": 10 ** (4 * b - 4), "c": 1 + c, "d": 1 + d}


class Mixed(Task):
    """T4. An unordered choice of four whose best one changes at half time, and two numbers whose best differ by it.

    Each instance has its own. The optimum, 1, is the best choice of each half with its best numbers.
    """

    name, total_steps, interval_steps = "mixed", 1000, 20
    rates = ("a",)
    start, optimum, noise = 0.0, 1.0, 0.01
    OPTIMIZERS = ("sgd", "adam", "lamb", "lion")
    space = (
        Hyperparameter("opt", Choice(values=OPTIMIZERS, order="Unordered")),
        Hyperparameter("a", LogUniform(min=1e-4, max=1.0)),
        Hyperparameter("b", Uniform(min=1.0, max=2.0)),
    )
    defaults = {"opt": "adam", "a": 0.01, "b": 1.5}

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        rng = Random(f"mixed/{instance}")
        self.best = {name: (rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85)) for name in self.OPTIMIZERS}
        self.order = list(self.OPTIMIZERS)
        rng.shuffle(self.order)
        self.weights = [
            dict(zip(self.order, weights, strict=True))
            for weights in ((1.0, 0.7, 0.5, 0.3), (0.3, 0.5, 0.7, 1.0))
        ]

    def build(self, rng: Random) -> dict[str, Any]:
        return {"gained": 0.0}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        opt = hyperparameters["opt"]
        point = [position(h, hyperparameters[h.name]) for h in self.space[1:]]
        weight = self.weights[stop > self.total_steps / 2][opt]
        state["gained"] += (stop - start) / self.total_steps * weight * nearness(point, self.best[opt])

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return state["gained"]

    def schedule(self, step: int) -> Values:
        opt = self.order[0] if step < self.total_steps / 2 else self.order[-1]
        a, b = self.best[opt]
        return {"opt": opt, "a": 10 ** (4 * a - 4), "b": 1 + b}

    def fails(self, hyperparameters: Values) -> bool:
        """One of the choice's values, and neither of the two best."""
        return hyperparameters["opt"] == self.order[1]
