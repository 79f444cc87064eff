"""The tasks are what their docstrings say: known optima, nothing at a bound, exact copies, paired instances."""

from random import Random

import pytest

from learning.forms import FORMS, form
from learning.population import run, spec_of
from learning.task import position
from learning.tasks import TOYS, make
from pbt_operator.core.rules import NoExploit
from pbt_operator.core.spec import Exploit

NOBODY = Exploit(NoExploit())
NAMES = [task.name for task in TOYS]


def trained(task, values, seed=0):
    """The true score of training with one configuration, or with what a function of the step says."""
    rng = Random(seed)
    state = task.build(rng)
    for start in range(0, task.total_steps, task.interval_steps):
        given = values(start) if callable(values) else values
        task.advance(state, given, start, start + task.interval_steps, rng)
    return task.true_score(state, given, rng)


def test_the_linear_schedule_reaches_the_known_optimum_of_the_deceptive_toy():
    task = make("deceptive", published=True)
    assert trained(task, task.schedule) == pytest.approx(1.198, abs=5e-4)


def test_the_best_constant_rate_of_the_published_quadratic_reaches_1796():
    task = make("quadratic", published=True)
    rates = [10 ** (-3 + 3 * i / 39) for i in range(40)]
    assert max(trained(task, {"lr": rate}) for rate in rates) == pytest.approx(1.796, abs=1e-3)


def test_the_paper_toy_reaches_0592_alone_and_12_together():
    task = make("paper", published=True)
    outcome = run(task, spec_of(task, 2, exploit=NOBODY), 0)
    assert outcome.score == pytest.approx(0.592, abs=1e-3)
    assert trained(task, task.schedule) == pytest.approx(1.2, abs=1e-3)


def test_the_entropy_trap_has_an_optimum_of_0999():
    task = make("entropy", published=True)
    assert trained(task, task.schedule) == pytest.approx(0.999, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_schedule_by_hand_comes_near_the_optimum(name):
    task = make(name, 5)
    reached = (trained(task, task.schedule) - task.start) / (task.optimum - task.start)
    assert (0.3 if name == "triangle" else 0.93) < reached < 1.005


@pytest.mark.parametrize("name", NAMES)
def test_the_untrained_start_is_the_zero_of_the_figure(name):
    task = make(name)
    state = task.build(Random(0))
    assert task.true_score(state, task.defaults, Random(0)) == pytest.approx(task.start, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_no_optimum_lies_at_a_bound(name):
    """The schedule stays inside the space; the entropy trap alone ends at a bound, where its score is flat."""
    task = make(name, 2)
    for step in range(0, task.total_steps - task.interval_steps, task.interval_steps):
        values = task.schedule(step)
        for h in task.space:
            assert h.space.contains(values[h.name])
            if h.space.axis()["kind"] != "choice":
                assert 0.01 < position(h, values[h.name]) < 0.99


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_independent_and_trains_alike(name, kind):
    task = form(make(name), kind)
    values = task.defaults
    state = task.build(Random(1))
    task.advance(state, values, 0, task.interval_steps, Random(2))
    before = task.true_score(state, values, Random(3))
    twin = task.copy(state)
    for one in (twin, state):
        task.advance(one, values, task.interval_steps, 2 * task.interval_steps, Random(4))
        if one is twin:
            assert task.true_score(state, values, Random(3)) == before
    assert task.true_score(twin, values, Random(5)) == task.true_score(state, values, Random(5)) != before


def test_instances_of_a_random_family_differ_and_are_reproducible():
    assert (
        make("tracking", 1).target(100) == make("tracking", 1).target(100) != make("tracking", 2).target(100)
    )
    assert make("mixed", 1).best == make("mixed", 1).best != make("mixed", 2).best


def test_an_unknown_task_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no task 'papr'; there are paper, triangle"):
        make("papr")
