"""The tasks that no rule was tuned on: what their docstrings say of optimum, start and true score."""

from random import Random

import numpy as np
import pytest

from learning.forms import scheduled
from learning.population import run, spec_of
from learning.tasks import FRESH
from learning.tasks.dirac_gan import DiracGan, nearness
from learning.tasks.few_samples import TEST, FewSamples
from learning.tasks.riverswim import STATES, RiverSwim, mean_reward, stroke
from pbt_operator.core.rules import NoExploit
from pbt_operator.core.spec import Exploit

NOBODY = Exploit(NoExploit())


@pytest.mark.parametrize("kind", FRESH)
def test_the_start_is_what_an_untrained_state_is_worth(kind):
    task = kind(3)
    assert task.true_score(task.build(Random(0)), task.defaults, Random(0)) == pytest.approx(
        task.start, abs=1e-3
    )


@pytest.mark.parametrize("kind", FRESH)
def test_a_copy_trains_alike_and_is_independent(kind):
    task = kind(1)
    one = task.build(Random(0))
    task.advance(one, task.defaults, 0, task.interval_steps, Random(1))
    other, score = task.copy(one), task.true_score(one, task.defaults, Random(0))
    task.advance(other, task.defaults, task.interval_steps, 2 * task.interval_steps, Random(2))
    assert task.true_score(one, task.defaults, Random(0)) == score
    task.advance(one, task.defaults, task.interval_steps, 2 * task.interval_steps, Random(2))
    assert task.evaluate(one, task.defaults, Random(0)) == task.evaluate(other, task.defaults, Random(0))


@pytest.mark.parametrize("kind", FRESH)
def test_the_schedule_by_hand_gains_most_of_the_range(kind):
    task = scheduled(kind(5))
    outcome = run(task, spec_of(task, 4, exploit=NOBODY), 5)
    assert 0.75 < (outcome.score - task.start) / (task.optimum - task.start) < 1.05


@pytest.mark.parametrize("policy", [[1] * STATES, [0] * STATES, [1, 1, 0, 1], [1, 0, 0, 0]])
def test_the_exact_mean_reward_is_what_long_swimming_earns(policy):
    rng, at, earned, steps = Random(0), 0, 0.0, 60_000
    for _ in range(steps):
        at, reward = stroke(at, policy[at], rng)
        earned += reward
    assert earned / steps == pytest.approx(mean_reward(policy), abs=0.02)


def test_the_best_policy_swims_right_everywhere():
    policies = [[(n >> k) & 1 for k in range(STATES)] for n in range(2**STATES)]
    assert max(policies, key=mean_reward) == [1] * STATES
    assert RiverSwim().optimum == mean_reward([1] * STATES)


def test_no_weights_of_ridge_regression_beat_the_best_penalty():
    task = FewSamples(2)
    inputs, wanted = task.inputs[:60], task.wanted[:60]
    scores = [
        task._score(np.linalg.solve(inputs.T @ inputs + p * np.eye(60), inputs.T @ wanted), TEST)
        for p in (0.1, 1.0, 10.0, 100.0, 1000.0)
    ]
    assert max(scores) <= 1.0 + 1e-9
    assert task.space[1].space.contains(task.penalty)


def test_weights_that_diverge_are_nan_and_no_warning():
    task = FewSamples()
    state = task.build(Random(0))
    task.advance(state, {"lr": 1e6, "decay": 1.0}, 0, 60, Random(0))
    assert np.isnan(task.true_score(state, {}, Random(0)))


def test_luck_below_a_hundredth_hardly_counts_in_the_gan():
    assert nearness(0.0) == pytest.approx(DiracGan.optimum)
    assert nearness(0.001) > 1.99
    assert nearness(1.0) == pytest.approx(0, abs=1e-4)
