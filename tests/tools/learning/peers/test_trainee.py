"""What every peer schedules: equal draws, a budget of steps, and a final score that nothing was chosen by."""

import math

import pytest

from fixtures.lottery_task import Lottery
from learning.forms import form
from learning.peers.trainee import Budget, Checkpoint, Trainee, best_of, outcome
from learning.population import first_values, generator, run, spec_of
from learning.tasks import make
from pbt_operator.core.rules import NoExploit
from pbt_operator.core.spec import Exploit


def trainees(task, members, seed, budget=None):
    budget = budget or Budget.of(task, members)
    return [
        Trainee(task, number, values, seed=seed, budget=budget)
        for number, values in enumerate(first_values(task, members, seed))
    ]


@pytest.mark.parametrize(
    ("name", "kind"), [("triangle", "noisy"), ("mixed", "failing"), ("deceptive", "annealed")]
)
def test_without_a_scheduler_trainees_are_our_population_without_an_exploit(name, kind):
    task = form(make(name), kind)
    spec, curve = spec_of(task, 5, exploit=Exploit(NoExploit())), []
    ours = run(task, spec, 7)
    found = trainees(task, 5, 7)
    while not found[0].done:
        for one in found:
            one.train()
        best = best_of(found)
        curve.append(best.score if best else math.nan)
    budget = Budget.of(task, 5)
    budget.left = 0
    result = outcome(best_of(found), task=task, budget=budget, replaced=0, curve=curve)
    assert result == ours


def test_the_budget_cuts_the_last_interval_short():
    task = make("deceptive")
    budget = Budget(total=50, left=50)
    [one] = trainees(task, 1, 0, budget)
    for _ in range(4):
        one.train()
    assert (one.step, budget.left, budget.spent, one.done) == (50, 0, 50, False)


def test_the_final_score_is_evaluated_afresh():
    """The luck by which a trial was named best is no part of its score."""
    task = form(make("tracking"), "noisy")
    found = trainees(task, 8, 3)
    for one in found:
        one.train()
    best = best_of(found)
    result = outcome(best, task=task, budget=Budget.of(task, 8), replaced=0, curve=())
    assert result.observed == max(one.score for one in found)
    assert result.score == best.true_score() != result.observed


def test_a_trial_with_nan_is_never_the_best_and_with_nan_alone_the_start_counts():
    task = make("tracking")
    found = trainees(task, 3, 0)
    for one, score in zip(found, (math.nan, -1.0, None), strict=True):
        one.score = score
    assert best_of(found) is found[1]
    assert best_of(found[::2]) is None
    result = outcome(None, task=task, budget=Budget.of(task, 3), replaced=0, curve=())
    assert result.score == task.start
    assert math.isnan(result.observed)


def test_a_checkpoint_is_a_copy_on_both_sides():
    task = make("quadratic")
    donor, one = trainees(task, 2, 0)
    donor.train()
    kept = donor.checkpoint()
    donor.train()
    one.restore(kept)
    one.hyperparameters = donor.hyperparameters
    one.train()
    assert one.step == donor.step
    assert one.true_score() == donor.true_score()
    other = Trainee(task, 2, donor.hyperparameters, seed=0, budget=Budget.of(task, 2))
    other.restore(kept)
    other.train()
    assert other.true_score() == donor.true_score()


def test_a_second_time_at_a_step_has_draws_of_its_own():
    task = Lottery()
    [one] = trainees(task, 1, 5)
    first = one.train()
    assert first == generator(5, 0, 1, "evaluate").random()
    one.restore(Checkpoint({}, 0))
    assert one.train() != first
