"""A small network on real images: learning rate and weight decay matter, and the labels are noisy."""

import math
from functools import cache
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from learning.task import Task, Values
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter

Array = NDArray[np.float64]
BATCH = 50


class Digits(Task):
    """A network of 64, 32 and 10 units on scikit-learn's digits, a fifth of whose 600 training labels is wrong.

    SGD with momentum 0.9; a step is an epoch. Each instance is another split of the data. Training reports the log
    likelihood of 500 images; the true score is that of 697 others. No optimum is known: it is the best of 1,000 random
    configurations.
    """

    name, total_steps, interval_steps = "digits", 40, 1
    space = (
        Hyperparameter("lr", LogUniform(min=1e-3, max=3.0)),
        Hyperparameter("wd", LogUniform(min=1e-5, max=1e-1)),
    )
    defaults = {"lr": 0.1, "wd": 1e-4}
    rates = ("lr",)
    start, optimum, noise = -math.log(10), -0.3326, 0.02
    draws = frozenset({"train"})

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        images, labels = _images()
        rng = np.random.default_rng(instance)
        order = rng.permutation(len(images))
        train, self._validation, self._test = order[:600], order[600:1100], order[1100:]
        given = labels[train].copy()
        wrong = rng.random(600) < 0.2
        given[wrong] = rng.integers(0, 10, wrong.sum())
        self._images, self._labels = images, labels
        self._inputs, self._targets = images[train], np.eye(10)[given]

    def build(self, rng: Random) -> dict[str, list[Array]]:
        draw = np.random.default_rng(rng.getrandbits(60))
        weights = [draw.normal(0, 0.18, (64, 32)), np.zeros(32), draw.normal(0, 0.25, (32, 10)), np.zeros(10)]
        return {"weights": weights, "momenta": [np.zeros_like(one) for one in weights]}

    def copy(self, state: Any) -> dict[str, list[Array]]:
        return {name: [one.copy() for one in arrays] for name, arrays in state.items()}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        draw = np.random.default_rng(rng.getrandbits(60))
        rate, decay = hyperparameters["lr"], hyperparameters["wd"]
        weights, momenta = state["weights"], state["momenta"]
        with np.errstate(all="ignore"):
            for _ in range(stop - start):
                for batch in draw.permutation(600).reshape(-1, BATCH):
                    gradients = _gradients(weights, self._inputs[batch], self._targets[batch])
                    for layer, gradient in enumerate(gradients):
                        momenta[layer] *= 0.9
                        momenta[layer] += gradient + decay * weights[layer]
                        weights[layer] -= rate * momenta[layer]

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return [self._likelihood(state, self._validation)]

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        """Of the test images; what diverged is worth as much as a guess."""
        score = self._likelihood(state, self._test)
        return score if math.isfinite(score) else self.start

    def accuracy(self, state: Any) -> float:
        """The share of the test images that are read rightly."""
        guessed = _forward(state["weights"], self._images[self._test])[1].argmax(1)
        return float((guessed == self._labels[self._test]).mean())

    def schedule(self, step: int) -> Values:
        """A cosine, as most scripts have it, from the best rate for it."""
        middle = step + self.interval_steps / 2
        return {"lr": 0.3 * (1 + math.cos(math.pi * middle / self.total_steps)) / 2, "wd": 3e-3}

    def _likelihood(self, state: Any, chosen: NDArray[np.int64]) -> float:
        with np.errstate(all="ignore"):
            _, shares = _forward(state["weights"], self._images[chosen])
            right = shares[np.arange(len(chosen)), self._labels[chosen]]
            return float(np.log(np.maximum(right, 1e-12)).mean())


@cache
def _images() -> tuple[Array, NDArray[np.int64]]:
    images, labels = load_digits(return_X_y=True)
    return images / 16.0, labels


def _forward(weights: list[Array], inputs: Array) -> tuple[Array, Array]:
    """The hidden units, and the likelihood of each class."""
    hidden = np.maximum(inputs @ weights[0] + weights[1], 0)
    outputs = hidden @ weights[2] + weights[3]
    outputs -= outputs.max(1, keepdims=True)
    powers = np.exp(outputs)
    return hidden, powers / powers.sum(1, keepdims=True)


def _gradients(weights: list[Array], inputs: Array, targets: Array) -> list[Array]:
    """Of the mean cross entropy of a batch."""
    hidden, shares = _forward(weights, inputs)
    outer = (shares - targets) / len(inputs)
    inner = (outer @ weights[2].T) * (hidden > 0)
    return [inputs.T @ inner, inner.sum(0), hidden.T @ outer, outer.sum(0)]
