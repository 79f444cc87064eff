"""The forms of a task: the script's cosine, noisy evaluations, a region that fails."""

import math
import statistics
from random import Random

import pytest

from learning.forms import form, scheduled
from learning.population import first_values
from learning.tasks import TOYS, make

NAMES = [task.name for task in TOYS]


def test_annealing_multiplies_the_rates_by_half_a_cosine_at_the_middle_of_the_interval():
    inner = make("tracking")
    seen = []
    inner.advance = lambda state, values, start, stop, rng: seen.append(values)
    task = form(inner, "annealed")
    values = {"a": 0.5, "b": 0.25, "c": 1.5, "d": 1.25}
    for start in (0, 480, 980):
        task.advance({}, values, start, start + 20, Random(0))
    shares = [(1 + math.cos(math.pi * middle / 1000)) / 2 for middle in (10, 490, 990)]
    assert seen == [{**values, "a": 0.5 * share} for share in shares]
    assert values["a"] == 0.5


def test_noise_is_added_to_what_is_reported_and_never_to_the_truth():
    task = form(make("deceptive"), "noisy")
    state = task.build(Random(0))
    reported = [statistics.fmean(task.evaluate(state, {}, Random(seed))) for seed in range(2000)]
    assert statistics.fmean(reported) == pytest.approx(task.start, abs=0.002)
    assert statistics.stdev(reported) == pytest.approx(task.noise, rel=0.05)
    assert task.true_score(state, {}, Random(0)) == pytest.approx(task.start)


def test_failed_weights_stay_nan_whatever_they_are_trained_with_and_a_copy_of_others_heals():
    task = form(make("tracking"), "failing")
    good = {**task.defaults, "a": 0.001}
    state, donor = task.build(Random(0)), task.build(Random(0))
    task.advance(donor, good, 0, 20, Random(0))
    task.advance(state, {**good, "a": 0.9}, 0, 20, Random(0))
    task.advance(state, good, 20, 40, Random(0))
    assert math.isnan(task.evaluate(state, good, Random(0))[0])
    assert task.true_score(state, good, Random(0)) == task.start
    state = task.copy(donor)
    task.advance(state, good, 20, 40, Random(0))
    assert task.evaluate(state, good, Random(0))[0] > task.start


@pytest.mark.parametrize("name", NAMES)
def test_about_a_fifth_of_the_first_configurations_fails_and_the_defaults_do_not(name):
    fail = sum(
        make(name, seed).fails(values)
        for seed in range(50)
        for values in first_values(make(name, seed), 8, seed)
    )
    expected = 0 if name == "paper" else 80  # there all begin with the same two
    assert abs(fail - expected) < 30
    assert not make(name).fails(make(name).defaults)


@pytest.mark.parametrize("kind", ["constant", "annealed", "noisy", "failing"])
def test_a_schedule_by_hand_is_trained_in_every_form_alike(kind):
    task = scheduled(form(make("quadratic"), kind))
    state = task.build(Random(0))
    for start in range(0, task.total_steps, task.interval_steps):
        task.advance(state, {"lr": 1.9}, start, start + task.interval_steps, Random(0))
    plain = make("quadratic")
    expected = plain.build(Random(0))
    for start in range(0, plain.total_steps, plain.interval_steps):
        plain.advance(expected, plain.schedule(start), start, start + plain.interval_steps, Random(0))
    assert task.true_score(state, {}, Random(0)) == plain.true_score(expected, {}, Random(0))


def test_an_unknown_form_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no form 'loud'; there are constant, annealed"):
        form(make("paper"), "loud")
