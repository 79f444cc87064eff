"""The model behind the bandit, against scikit-learn's."""

import math
from random import Random

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern

from pbt_operator.core.rules.gaussian_process import (
    FORGETTING,
    JITTER,
    LENGTHS,
    NOISES,
    SETTINGS,
    Point,
    Posterior,
    Setting,
    indifferent,
    likelihoods,
)

PLACES, OPTIONS = 3, 4


def drawn(rng, number, rounds=16):
    """Points with three numbers and a choice of four."""
    return tuple(
        Point(rng.randrange(rounds), tuple(rng.random() for _ in range(PLACES)), (rng.randrange(OPTIONS),))
        for _ in range(number)
    )


def rows(points):
    """The same for scikit-learn: an option as as many numbers, of which one is 1."""
    return np.array(
        [[*p.places, *(float(i == p.options[0]) for i in range(OPTIONS)), p.number] for p in points]
    )


def reference(setting):
    """Two options that differ are sqrt(2) apart there, and rounds forget as a Matern kernel of 1/2 does."""
    near = RBF([setting.length] * PLACES + [1.0] * OPTIONS + [math.inf])
    if not setting.forgetting:
        return near
    return near * Matern([math.inf] * (PLACES + OPTIONS) + [-2 / math.log1p(-setting.forgetting)], nu=0.5)


def fitted(points, sizes, setting):
    variance = setting.noise**2 + JITTER
    return GaussianProcessRegressor(reference(setting), alpha=variance, optimizer=None).fit(
        rows(points), sizes
    )


@pytest.fixture(scope="module")
def known():
    rng = Random(1)
    points = drawn(rng, 128)
    return points, tuple(rng.gauss(0, 1) for _ in points)


@pytest.mark.parametrize("setting", SETTINGS)
def test_means_and_deviations_are_scikit_learns(known, setting):
    points, sizes = known
    asked = list(drawn(Random(2), 100))
    means, deviations = Posterior(points, sizes, setting).predict(asked)
    expected, spread = fitted(points, sizes, setting).predict(rows(asked), return_std=True)
    assert np.abs(means - expected).max() < 1e-10
    # The square root near zero makes more of the last bits.
    assert np.abs(deviations**2 - spread**2).max() < 1e-10


def test_likelihoods_are_scikit_learns(known):
    points, sizes = known
    constant = len(points) * math.log(2 * math.pi) / 2
    found = likelihoods(points, sizes)
    assert found.keys() == set(SETTINGS)
    assert len(SETTINGS) == len(LENGTHS) * len(FORGETTING) * len(NOISES)
    for setting, likelihood in found.items():
        expected = fitted(points, sizes, setting).log_marginal_likelihood_value_
        assert likelihood - constant == pytest.approx(expected, abs=1e-8)


def test_a_point_that_is_tried_makes_surer_and_tells_nothing(known):
    """As if it had gained what was expected of it."""
    points, sizes = known
    setting, asked, tried = Setting(0.3, 0.05, 0.4), list(drawn(Random(2), 50)), drawn(Random(3), 5)
    posterior = Posterior(points, sizes, setting)
    before, _ = posterior.predict(asked)
    expected, _ = posterior.predict(list(tried))
    for point in tried:
        posterior.add(point)
    means, deviations = posterior.predict(asked)
    assert (means == before).all()
    as_if = fitted((*points, *tried), (*sizes, *expected), setting)
    others, spread = as_if.predict(rows(asked), return_std=True)
    assert np.abs(others - means).max() < 1e-10
    assert np.abs(deviations**2 - spread**2).max() < 1e-10


def test_gains_of_nothing_but_noise_are_likeliest_where_nothing_matters(known):
    points, sizes = known
    assert max(likelihoods(points, sizes).values()) < indifferent(sizes) + 3
    told = tuple(
        math.sin(7 * point.places[0]) + 0.1 * size for point, size in zip(points, sizes, strict=True)
    )
    assert max(likelihoods(points, told).values()) > indifferent(told) + 30


def test_it_finds_which_scale_and_which_noise_there_is(known):
    points, sizes = known
    slow = tuple(
        math.sin(2 * point.places[0]) + 0.4 * size for point, size in zip(points, sizes, strict=True)
    )
    found = likelihoods(points, slow)
    assert max(found, key=found.__getitem__).noise == 0.4
    assert max(found, key=found.__getitem__).length >= 0.6
