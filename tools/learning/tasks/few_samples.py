"""A regression with fewer samples than it needs: what learns fast overfits later."""

from random import Random
from typing import Any

import numpy as np

from learning.task import Task, Values
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter

SAMPLES, HELD_OUT, FEATURES, BATCH = 60, 400, 60, 10
NOISE = 0.5
VALIDATION, TEST = slice(SAMPLES, SAMPLES + 100), slice(SAMPLES + 100, None)


class FewSamples(Task):
    """Linear regression by minibatch SGD with momentum: 60 noisy samples, 60 features of falling size.

    A step is an epoch. The rate decides how fast it learns and how much noise it keeps, the weight decay how much it
    overfits, which shows late. The score is the logarithm of the error on held-out samples, 0 for weights of zero and 1
    for ridge regression with the best penalty. Reports are about 100 samples, the true score about 300 others; the
    penalty is fitted to those.
    """

    name, total_steps, interval_steps = "few-samples", 60, 2
    rates = ("lr",)
    draws = frozenset({"train"})
    start, optimum, noise = 0.0, 1.0, 0.02
    space = (
        Hyperparameter("lr", LogUniform(min=1e-4, max=1.0)),
        Hyperparameter("decay", LogUniform(min=1e-2, max=1e3)),
    )
    defaults = {"lr": 0.01, "decay": 0.01}

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        draw = np.random.default_rng(instance)
        truth = draw.normal(size=FEATURES)
        scales = np.arange(1, FEATURES + 1) ** -0.5
        self.inputs = draw.normal(size=(SAMPLES + HELD_OUT, FEATURES)) * scales
        self.wanted = self.inputs @ truth + NOISE * draw.normal(size=SAMPLES + HELD_OUT)
        self.penalty = max((10.0 ** (k / 4) for k in range(-4, 13)), key=self._log_of_ridge)
        self.zero = self._log_error(np.zeros(FEATURES), TEST)
        self.best = self._log_of_ridge(self.penalty)

    def build(self, rng: Random) -> dict[str, Any]:
        return {"weights": np.zeros(FEATURES), "velocity": np.zeros(FEATURES)}

    def copy(self, state: Any) -> dict[str, Any]:
        return {name: array.copy() for name, array in state.items()}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        rate, decay = float(hyperparameters["lr"]), float(hyperparameters["decay"])
        draw = np.random.default_rng(rng.getrandbits(62))
        weights, velocity = state["weights"], state["velocity"]
        with np.errstate(all="ignore"):
            for _ in range(stop - start):
                for batch in draw.permutation(SAMPLES).reshape(-1, BATCH):
                    inputs = self.inputs[batch]
                    slope = inputs.T @ (inputs @ weights - self.wanted[batch]) / BATCH
                    velocity *= 0.9
                    velocity += slope + decay / SAMPLES * weights
                    weights -= rate * velocity

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return [self._score(state["weights"], VALIDATION)]

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return self._score(state["weights"], TEST)

    def schedule(self, step: int) -> Values:
        """A rate that falls to a tenth in the last third, and the penalty of ridge regression."""
        return {"lr": 0.1 if step < 40 else 0.01, "decay": self.penalty}

    def _score(self, weights: Any, samples: slice) -> float:
        return (self._log_error(weights, samples) - self.zero) / (self.best - self.zero)

    def _log_error(self, weights: Any, samples: slice) -> float:
        """-log10 of the mean squared error; NaN where the weights have diverged."""
        with np.errstate(all="ignore"):
            error = float(np.mean((self.inputs[samples] @ weights - self.wanted[samples]) ** 2))
        return -float(np.log10(error)) if np.isfinite(error) else float("nan")

    def _log_of_ridge(self, penalty: float) -> float:
        inputs, wanted = self.inputs[:SAMPLES], self.wanted[:SAMPLES]
        weights = np.linalg.solve(inputs.T @ inputs + penalty * np.eye(FEATURES), inputs.T @ wanted)
        return self._log_error(weights, TEST)
