"""The toys of the first papers: the surrogate of Jaderberg et al., and the triangle wave of Ray and Katib."""

from random import Random
from typing import Any

from learning.task import Task, Values
from pbt_operator.core.distributions import Uniform
from pbt_operator.core.search import Hyperparameter


class PaperToy(Task):
    """B1. Jaderberg et al. 2017, figure 2: Q = 1.2 - (0.75 a^2 + b^2), where h0 and h1 say how fast a and b fall.

    Members begin with h = (1, 0) and (0, 1) in turn: alone each reaches 0.592 at most, with both 1.2. Beyond 1 the
    speed falls again, to 0 at 2, so that the best h, 1, lies inside. The published space ends at 1.
    """

    name, total_steps, interval_steps = "paper", 200, 10
    rates = ("h0", "h1")
    start, optimum, noise = 1.2 - 1.75 * 0.81, 1.2, 0.03

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        bound = 1.0 if published else 1.6
        self.space = tuple(Hyperparameter(name, Uniform(min=0.0, max=bound)) for name in self.rates)
        self.defaults = {"h0": 0.5, "h1": 0.5}

    def initial(self, member: int, rng: Random) -> Values:
        return {"h0": 0.0, "h1": 1.0} if member % 2 else {"h0": 1.0, "h1": 0.0}

    def build(self, rng: Random) -> dict[str, Any]:
        return {"a": 0.9, "b": 0.9}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        for name, h in (("a", hyperparameters["h0"]), ("b", hyperparameters["h1"])):
            state[name] *= (1 - 0.02 * min(h, 2 - h)) ** (stop - start)

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return 1.2 - (0.75 * state["a"] ** 2 + state["b"] ** 2)

    def schedule(self, step: int) -> Values:
        return {"h0": 1.0, "h1": 1.0}


class Triangle(Task):
    """B2. The toy of Ray and Katib: the best learning rate is a triangle wave of the accuracy itself.

    Accuracy walks at random, so a population gains by choosing the lucky as well. No optimum is known; `optimum` is
    what 32 members reach that copy the best and know the best rate at every moment.
    """

    name, total_steps, interval_steps = "triangle", 1000, 5
    rates = ("lr",)
    start, optimum, noise = 0.0, 1400.0, 3.0
    draws = frozenset({"train"})
    space = (Hyperparameter("lr", Uniform(min=1e-4, max=0.02)),)
    defaults = {"lr": 0.002}

    def build(self, rng: Random) -> dict[str, Any]:
        return {"accuracy": 0.0}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        lr, accuracy = hyperparameters["lr"], state["accuracy"]
        for _ in range(stop - start):
            best = best_rate(accuracy)
            error = max(best, lr) / min(best, lr)
            if error < 3:
                accuracy += rng.random() / error
            elif lr > best:
                accuracy -= (error - 3) * rng.random()
            accuracy = max(0.0, accuracy + rng.gauss(0, 2))
        state["accuracy"] = accuracy

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return state["accuracy"]

    def schedule(self, step: int) -> Values:
        """The best rate along the mean path, which gains 0.5 a step."""
        return {"lr": best_rate(0.5 * step)}


def best_rate(accuracy: float) -> float:
    """The triangle wave, from 0.001 to 0.01 and back."""
    return min(0.01, max(0.001, 0.01 * (accuracy if accuracy < 100 else 200 - accuracy) / 100))
