"""A Gaussian process over hyperparameters and rounds: which values gain how much, and how sure that is.

Its kernel says which lives tell of each other: those whose numbers lie near, whose choices are the same, and whose
rounds aren't far apart. The settings of the kernel are those of a grid under which the gains are likeliest, so there
is no optimiser that could end elsewhere on another machine. numpy is imported with this module, and so on first use.
"""

import itertools
import math
from contextlib import AbstractContextManager
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

LENGTHS = (0.15, 0.3, 0.6, 1.2)
FORGETTING = (0.0, 0.05, 0.2)
NOISES = (0.1, 0.4, 1.0)
JITTER = 1e-8

Array = Any  # of numpy, whose types aren't checked here


class Setting(NamedTuple):
    """What a kernel is shaped by.

    Attributes:
        length: how far a number may move, of its range, until it tells little.
        forgetting: which share of what a round tells is forgotten in two.
        noise: the standard deviation of what isn't the hyperparameters' doing.
    """

    length: float
    forgetting: float
    noise: float


class Point(NamedTuple):
    """Where a life stands.

    Attributes:
        number: of the round.
        places: of its numbers, from 0 to 1 each.
        options: of its choices, as their indices.
    """

    number: int
    places: tuple[float, ...]
    options: tuple[int, ...]


SETTINGS = tuple(itertools.starmap(Setting, itertools.product(LENGTHS, FORGETTING, NOISES)))


@cache
def _pools() -> Any:
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    """Matrices this small take ten times the CPU in several threads, which wait for each other by spinning."""
    found: AbstractContextManager[Any] = _pools().limit(limits=1, user_api="blas")
    return found


def arrays(points: list[Point] | tuple[Point, ...]) -> tuple[Array, Array, Array]:
    """Rounds, places and options, a row for each point."""
    return (
        np.array([point.number for point in points], dtype=float),
        np.array([point.places for point in points], dtype=float).reshape(len(points), -1),
        np.array([point.options for point in points], dtype=int).reshape(len(points), -1),
    )


def _apart(
    some: tuple[Array, Array, Array], others: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """How far each is from each other: squared by places, in options that differ, in rounds."""
    squared = np.zeros((len(some[0]), len(others[0])))
    differing = np.zeros_like(squared)
    for one, other in zip(some[1].T, others[1].T, strict=True):
        squared += np.subtract.outer(one, other) ** 2
    for one, other in zip(some[2].T, others[2].T, strict=True):
        differing += np.not_equal.outer(one, other)
    return squared, differing, np.abs(np.subtract.outer(some[0], others[0]))


def _kernel(apart: tuple[Array, Array, Array], length: float, forgetting: float) -> Array:
    squared, differing, rounds = apart
    return np.exp(-squared / (2 * length * length) - differing) * (1 - forgetting) ** (rounds / 2)


@lru_cache(maxsize=8)  # newcomers of one round ask one after the other
def likelihoods(points: tuple[Point, ...], sizes: tuple[float, ...]) -> dict[Setting, float]:
    """How likely gains are under each setting of the grid, as a logarithm, less what is the same for all."""
    found = {}
    apart, targets = _apart(*[arrays(points)] * 2), np.array(sizes)
    for length, forgetting in itertools.product(LENGTHS, FORGETTING):
        kernel = _kernel(apart, length, forgetting)
        for noise in NOISES:
            covariance = kernel + (noise**2 + JITTER) * np.eye(len(points))
            with _one_thread():
                lower = np.linalg.cholesky(covariance)
                weights = np.linalg.solve(lower, targets)
            found[Setting(length, forgetting, noise)] = float(
                -np.square(weights).sum() / 2 - np.log(np.diag(lower)).sum()
            )
    return found


def indifferent(sizes: tuple[float, ...]) -> float:
    """How likely gains are, likewise, if hyperparameters don't matter: noise alone, as large as it looks."""
    variance = math.fsum(size * size for size in sizes) / len(sizes) + 1e-12
    return -len(sizes) * (1 + math.log(variance)) / 2


class Posterior:
    """What is known after gains."""

    def __init__(self, points: tuple[Point, ...], sizes: tuple[float, ...], setting: Setting) -> None:
        """Learns from so many gains at so many points, under a setting."""
        self._setting, self._known = setting, arrays(points)
        kernel = self._covariance(self._known, self._known) + self._noise(len(points))
        with _one_thread():
            self._inverse = np.linalg.inv(np.linalg.cholesky(kernel))
            self._weights = self._inverse.T @ (self._inverse @ np.array(sizes))
        self._pending: list[Point] = []

    def add(self, point: Point) -> None:
        """Takes a point for tried, whatever it will gain: means stay, and what is near it is surer from now on."""
        self._pending.append(point)

    def predict(self, points: list[Point]) -> tuple[Array, Array]:
        """The means and the standard deviations of what would be gained there, noise apart."""
        asked = arrays(points)
        with _one_thread():
            cross = self._covariance(self._known, asked)
            reduced = self._inverse @ cross
            variance = 1 - np.square(reduced).sum(axis=0)
            if self._pending:
                variance -= self._surer(asked, reduced)
            return cross.T @ self._weights, np.sqrt(np.maximum(variance, 0))

    def _surer(self, asked: tuple[Array, Array, Array], reduced: Array) -> Array:
        """How much of the variance goes with the points that are tried."""
        tried = arrays(self._pending)
        already = self._inverse @ self._covariance(self._known, tried)
        among = self._covariance(tried, tried) - already.T @ already + self._noise(len(self._pending))
        rest = self._covariance(tried, asked) - already.T @ reduced
        return np.square(np.linalg.solve(np.linalg.cholesky(among), rest)).sum(axis=0)

    def _covariance(self, some: tuple[Array, Array, Array], others: tuple[Array, Array, Array]) -> Array:
        return _kernel(_apart(some, others), self._setting.length, self._setting.forgetting)

    def _noise(self, number: int) -> Array:
        return (self._setting.noise**2 + JITTER) * np.eye(number)
