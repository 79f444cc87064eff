"""Tasks for simulated trainers: the toys with known optima from the literature."""

from random import Random
from typing import Any


class PaperToy:
    """Jaderberg et al. 2017, figure 2, with Ray's 3/4 that breaks the tie: Q = 1.2 - (0.75 a^2 + b^2)."""

    RATE = 0.01

    def build(self, hyperparameters, rng: Random) -> dict[str, Any]:
        return {"a": 0.9, "b": 0.9}

    def train(self, state, hyperparameters, step: int, rng: Random) -> None:
        state["a"] -= self.RATE * 2 * hyperparameters["h0"] * state["a"]
        state["b"] -= self.RATE * 2 * hyperparameters["h1"] * state["b"]

    def evaluate(self, state, hyperparameters, rng: Random) -> float:
        return 1.2 - (0.75 * state["a"] ** 2 + state["b"] ** 2)


class TriangleRate:
    """Ray's and Katib's toy: the best learning rate is a triangle wave of the accuracy itself."""

    def build(self, hyperparameters, rng: Random) -> dict[str, Any]:
        return {"accuracy": 0.0}

    def train(self, state, hyperparameters, step: int, rng: Random) -> None:
        lr, accuracy, midpoint, tolerance = hyperparameters["lr"], state["accuracy"], 100, 3
        optimal = 0.01 * (accuracy if accuracy < midpoint else 2 * midpoint - accuracy) / midpoint
        optimal = min(0.01, max(0.001, optimal))
        error = max(optimal, lr) / min(optimal, lr)
        if error < tolerance:
            accuracy += rng.random() / error
        elif lr > optimal:
            accuracy -= (error - tolerance) * rng.random()
        state["accuracy"] = max(0.0, accuracy + rng.gauss(0, 2))

    def evaluate(self, state, hyperparameters, rng: Random) -> float:
        return state["accuracy"]


class Deterministic:
    """The score is a pure function of weights, hyperparameters and step: nothing is drawn."""

    def build(self, hyperparameters, rng: Random) -> dict[str, Any]:
        return {"w": 0.0}

    def train(self, state, hyperparameters, step: int, rng: Random) -> None:
        state["w"] += hyperparameters["rate"] * (1.0 - state["w"]) - 0.001 * hyperparameters["depth"]

    def evaluate(self, state, hyperparameters, rng: Random) -> float:
        return state["w"] - 0.1 * hyperparameters["rate"]
