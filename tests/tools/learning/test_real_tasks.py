"""The two tasks that train networks: they learn, states are exact, and reinforcement learning is cut rightly."""

import math
from random import Random

import numpy as np
import pytest

from learning.population import Population, seeded, spec_of
from learning.tasks import make
from learning.tasks.cartpole import LENGTH, LIMIT, POLES, _rollout
from learning.tasks.pole import fallen, moved, upright
from pbt_operator.core.rules import NoExploit
from pbt_operator.core.spec import Exploit


def trained(task, values, stop, seed=0):
    state = task.build(Random(seed))
    for start in range(0, stop, task.interval_steps):
        task.advance(state, values, start, start + task.interval_steps, Random(f"{seed}/{start}"))
    return state


def test_digits_learns_and_never_trains_on_what_it_is_tested_with():
    task = make("digits", 3)
    state = trained(task, task.defaults, 20)
    assert task.accuracy(state) > 0.85
    assert task.start < task.true_score(state, {}, Random(0)) < task.optimum
    assert set(task._validation).isdisjoint(task._test)
    inputs = {tuple(image) for image in task._inputs}
    assert (
        sum(tuple(image) in inputs for image in task._images[task._test]) < 10
    )  # but for a few equal images


def test_digits_that_diverge_report_nan_and_are_worth_a_guess():
    task = make("digits")
    state = trained(task, {"lr": 1e6, "wd": 0.1}, 4)
    assert math.isnan(task.evaluate(state, {}, Random(0))[0])
    assert task.true_score(state, {}, Random(0)) == task.start


@pytest.mark.parametrize("name", ["digits", "cartpole"])
def test_a_copy_is_exact_and_independent(name):
    task = make(name)
    state = trained(task, task.defaults, 2 * task.interval_steps)
    before, twin = task.true_score(state, {}, Random(5)), task.copy(state)
    stop = 3 * task.interval_steps
    for one in (twin, state):
        task.advance(one, task.defaults, 2 * task.interval_steps, stop, Random(6))
        if one is twin:
            assert task.true_score(state, {}, Random(5)) == before
    assert task.true_score(twin, {}, Random(5)) == task.true_score(state, {}, Random(5))
    assert task.evaluate(twin, {}, Random(0)) == task.evaluate(state, {}, Random(0))


def test_the_pole_moves_by_gymnasiums_equations():
    pushed = moved(np.zeros((1, 4)), np.array([1]))
    assert pushed[0] == pytest.approx([0, 0.19512195, 0, -0.29268293])
    left = moved(-np.full((1, 4), 0.1), np.array([0]))
    assert left == pytest.approx(-moved(np.full((1, 4), 0.1), np.array([1])))
    leaning = np.array([[0, 0, 0.2, 0], [0, 0, 0.22, 0], [2.5, 0, 0, 0], [-2.3, 0, -0.2, 0]])
    assert fallen(leaning).tolist() == [False, True, True, False]


def test_an_episode_that_is_cut_is_continued_by_the_critic_and_one_that_failed_is_not():
    learner = make("cartpole").build(Random(0))
    learner.weights[4][:], learner.weights[5][:] = 0, 10.0  # the critic says 10 everywhere
    learner.poles = upright(np.random.default_rng(0), POLES)
    learner.ages[:] = LIMIT - 1
    learner.poles[0] = [0, 0, 0.25, 1]  # falls with the next step
    _, _, returns = _rollout(learner, 0.5, np.random.default_rng(1))
    first = returns.reshape(LENGTH, POLES)[0]
    assert first[0] == 1
    assert first[1:] == pytest.approx(1 + 0.5 * 10)
    assert learner.ages.max() < LIMIT


def test_cartpole_learns_and_is_tested_on_fresh_episodes():
    task = make("cartpole")
    values = {"lr": 0.01, "entropy": 0.003, "gamma": 0.7}
    untrained = task.true_score(task.build(Random(0)), {}, Random(0))
    assert untrained == pytest.approx(task.start, abs=5)
    state = trained(task, values, task.total_steps)
    assert task.true_score(state, {}, Random(0)) > 100
    assert task.true_score(state, {}, Random(0)) != task.true_score(state, {}, Random(1))


@pytest.mark.slow
def test_the_best_discount_of_cartpole_lies_inside_its_space():
    """Held fixed, with all else drawn at random: the ends are worse than what lies between."""
    reached = {}
    for gamma in (0.2, 0.7, 0.999):
        task = make("cartpole")
        task.space = task.space[:2]
        advance = task.advance
        task.advance = lambda s, h, a, b, r, g=gamma, f=advance: f(s, {**h, "gamma": g}, a, b, r)
        spec = spec_of(task, 8, exploit=Exploit(NoExploit()))
        scores = [Population(task, seeded(task, spec, seed)).run().score for seed in range(1000, 1003)]
        reached[gamma] = np.mean(scores)
    assert reached[0.7] > reached[0.2] + 50
    assert reached[0.7] > reached[0.999] + 50
