"""A small real task of reinforcement learning: advantage actor-critic on the pole of a cart."""

import math
from dataclasses import dataclass, fields
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.task import Task, Values
from learning.tasks.pole import fallen, moved, upright
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter

Array = NDArray[np.float64]
POLES, LENGTH, LIMIT = 16, 16, 500
"""Environments side by side, steps of a rollout, and steps after which an episode is cut."""


@dataclass
class Learner:
    """The state: a network with two heads, its squared gradients, and the episodes that are under way."""

    weights: list[Array]
    squares: list[Array]
    poles: Array
    ages: Array
    returns: list[float]

    def copied(self) -> "Learner":
        """An independent copy."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return Learner(
            **{
                name: [*map(_copied, one)] if isinstance(one, list) else one.copy()
                for name, one in known.items()
            }
        )


def _copied(one: Any) -> Any:
    return one.copy() if isinstance(one, np.ndarray) else one


class CartPole(Task):
    """A2C on gymnasium's CartPole-v1: 16 environments, rollouts of 16 steps, 64 units, RMSProp; a step is an update.

    An episode that is cut after 500 steps isn't one that failed: its return is continued by the critic's estimate.
    Training reports the returns of the newest 10 episodes; the true score is the mean of 100 fresh ones. The optimum
    is 500.
    """

    name, total_steps, interval_steps = "cartpole", 120, 6
    space = (
        Hyperparameter("lr", LogUniform(min=1e-4, max=3e-2)),
        Hyperparameter("entropy", LogUniform(min=1e-4, max=1e-1)),
        Hyperparameter("gamma", LogUniform(min=0.2, max=0.999, of="OneMinus")),
    )
    defaults = {"lr": 7e-4, "entropy": 0.01, "gamma": 0.99}
    rates = ("lr",)
    start, optimum, noise = 22.0, 500.0, 20.0
    draws = frozenset({"train"})

    def build(self, rng: Random) -> Learner:
        draw = np.random.default_rng(rng.getrandbits(60))
        shapes = [((4, 64), 0.5), ((64,), 0), ((64, 2), 0.01), ((2,), 0), ((64, 1), 0.1), ((1,), 0)]
        weights = [draw.normal(0, scale, shape) if scale else np.zeros(shape) for shape, scale in shapes]
        return Learner(
            weights, [np.zeros_like(one) for one in weights], upright(draw, POLES), np.zeros(POLES), []
        )

    def copy(self, state: Any) -> Learner:
        return state.copied()

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        draw = np.random.default_rng(rng.getrandbits(60))
        with np.errstate(all="ignore"):
            for _ in range(stop - start):
                states, actions, returns = _rollout(state, hyperparameters["gamma"], draw)
                gradients = _gradients(state.weights, states, actions, returns, hyperparameters["entropy"])
                norm = math.sqrt(sum(float((one * one).sum()) for one in gradients))
                scale = min(1.0, 0.5 / (norm + 1e-8))
                for layer, gradient in enumerate(gradients):
                    state.squares[layer] *= 0.97
                    state.squares[layer] += 0.03 * (gradient * scale) ** 2
                    change = gradient * scale / (np.sqrt(state.squares[layer]) + 1e-5)
                    state.weights[layer] -= hyperparameters["lr"] * change

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return state.returns[-10:] or [0.0]

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        draw = np.random.default_rng(rng.getrandbits(60))
        poles, ages, alive = upright(draw, 100), np.zeros(100), np.ones(100, bool)
        with np.errstate(all="ignore"):
            for _ in range(LIMIT):
                poles = moved(poles, _acted(state.weights, poles, draw))
                ages += alive
                alive &= ~fallen(poles)
                if not alive.any():
                    break
        return float(ages.mean())

    def schedule(self, step: int) -> Values:
        """A linear decay of the rate, as most scripts have it."""
        return {"lr": 0.01 * (1 - step / self.total_steps), "entropy": 0.003, "gamma": 0.95}


def _acted(weights: list[Array], poles: Array, draw: np.random.Generator) -> NDArray[np.int64]:
    """An action for each pole, drawn from the policy."""
    logits = np.tanh(poles @ weights[0] + weights[1]) @ weights[2] + weights[3]
    left = 1 / (1 + np.exp(np.clip(logits[:, 1] - logits[:, 0], -30, 30)))
    return (draw.random(len(poles)) >= left).astype(int)


def _valued(weights: list[Array], poles: Array) -> Array:
    """The critic's estimate of the return from each state."""
    return (np.tanh(poles @ weights[0] + weights[1]) @ weights[4] + weights[5])[:, 0]


def _rollout(
    state: Learner, gamma: float, draw: np.random.Generator
) -> tuple[Array, NDArray[np.int64], Array]:
    """Plays on for one rollout.

    Returns:
        States (LENGTH * POLES, 4), actions and discounted returns (LENGTH * POLES).
    """
    states, actions = np.empty((LENGTH, POLES, 4)), np.empty((LENGTH, POLES), int)
    ends, beyond = np.zeros((LENGTH, POLES), bool), np.zeros((LENGTH, POLES))
    for t in range(LENGTH):
        states[t] = state.poles
        actions[t] = _acted(state.weights, state.poles, draw)
        state.poles = moved(state.poles, actions[t])
        state.ages = state.ages + 1
        down = fallen(state.poles)
        ends[t] = down | (state.ages >= LIMIT)
        if ends[t].any():
            cut = ends[t] & ~down
            if cut.any():  # what would have come after the limit, which the episode's state doesn't know of
                beyond[t, cut] = _valued(state.weights, state.poles[cut])
            state.returns = [*state.returns, *state.ages[ends[t]].tolist()][-10:]
            state.poles[ends[t]] = upright(draw, int(ends[t].sum()))
            state.ages[ends[t]] = 0
    returns, following = np.empty((LENGTH, POLES)), _valued(state.weights, state.poles)
    for t in range(LENGTH - 1, -1, -1):
        following = 1 + gamma * np.where(ends[t], beyond[t], following)
        returns[t] = following
    return states.reshape(-1, 4), actions.reshape(-1), returns.reshape(-1)


def _gradients(
    weights: list[Array], states: Array, actions: NDArray[np.int64], returns: Array, entropy: float
) -> list[Array]:
    """Of the actor's loss with normalised advantages and an entropy bonus, and of the critic's, scaled to it."""
    hidden = np.tanh(states @ weights[0] + weights[1])
    logits = hidden @ weights[2] + weights[3]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    policy = powers / powers.sum(1, keepdims=True)
    logs = np.log(policy + 1e-12)
    lacking = returns - (hidden @ weights[4] + weights[5])[:, 0]
    advantage = (lacking - lacking.mean()) / (lacking.std() + 1e-8)
    disorder = -(policy * logs).sum(1, keepdims=True)
    actor = (policy - np.eye(2)[actions]) * advantage[:, None] + entropy * policy * (logs + disorder)
    actor /= len(states)
    critic = (-0.5 * lacking / len(states) / (1 + np.abs(lacking).mean()))[:, None]
    inner = (actor @ weights[2].T + critic @ weights[4].T) * (1 - hidden * hidden)
    return [states.T @ inner, inner.sum(0), hidden.T @ actor, actor.sum(0), hidden.T @ critic, critic.sum(0)]
