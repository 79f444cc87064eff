"""The toys of PBT-Zoo (Bai and Cheng 2024): one that greed solves, and one that punishes it."""

from random import Random
from typing import Any

from learning.task import Task, Values
from pbt_operator.core.distributions import Uniform
from pbt_operator.core.search import Hyperparameter


class Deceptive(Task):
    """B3, `toy_deceptive`: the weight falls faster the lower the rate, but each departure from a linear decay costs.

    A linear decay from 1 to 0 is the optimum, 1.198. Who drops the rate at once is ahead at first and loses in the end.
    Members begin between 0.9 and 1.1. The penalty grows at every interval.
    """

    name, total_steps, interval_steps = "deceptive", 1000, 20
    rates = ("lr",)
    start, optimum, noise = 1.2 - 0.81, 1.198, 0.02
    space = (Hyperparameter("lr", Uniform(min=1e-4, max=1.1)),)
    defaults = {"lr": 1.0}

    def initial(self, member: int, rng: Random) -> Values:
        return {"lr": rng.uniform(0.9, 1.1)}

    def build(self, rng: Random) -> dict[str, Any]:
        return {"weight": 0.9, "departure": 0.0}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        state["departure"] += abs(hyperparameters["lr"] - (self.total_steps - start) / self.total_steps)
        gain = max(2 - hyperparameters["lr"] - 0.2 * state["departure"], 0)
        state["weight"] *= (1 - 0.002 * gain) ** (stop - start)

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return 1.2 - state["weight"] ** 2

    def schedule(self, step: int) -> Values:
        return {"lr": (self.total_steps - step) / self.total_steps}

    def fails(self, hyperparameters: Values) -> bool:
        """A quarter of what members begin with."""
        return hyperparameters["lr"] > 1.05


class Plain(Deceptive):
    """`toy_plain`: no penalty, so a low rate is best. Below 0.3 the gain falls off again, but in the published form."""

    name = "plain"
    optimum = 1.2 - (0.9 * (1 - 0.002 * 1.7) ** 1000) ** 2
    LOW = 0.3

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        if published:
            self.optimum = 1.2 - (0.9 * (1 - 0.002 * (2 - 1e-4)) ** 1000) ** 2

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        rate = hyperparameters["lr"]
        lack = 0 if self.published else max(0.0, self.LOW - rate)
        state["weight"] *= (1 - 0.002 * max(2 - rate - 3 * lack, 0)) ** (stop - start)

    def schedule(self, step: int) -> Values:
        return {"lr": 1e-4 if self.published else self.LOW}
