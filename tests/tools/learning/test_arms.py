"""The arms are what their names say, and known figures come out of them."""

import statistics

import pytest

from learning.arms import ARMS, annealed
from learning.forms import form
from learning.population import Population, seeded, spec_of
from learning.tasks import make
from pbt_operator.core.rules import Bandit, Perturb


def mean(name, arm, members, seeds, kind="constant", **more):
    outcomes = [ARMS[arm].run(form(make(name, seed, **more), kind), members, seed) for seed in seeds]
    return statistics.fmean(outcome.score for outcome in outcomes)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_trains_all_members_to_the_end_and_is_reproducible(arm):
    task = form(make("mixed", 4), "failing")
    outcome = ARMS[arm].run(task, 5, 4)
    assert outcome == ARMS[arm].run(task, 5, 4)
    assert outcome.steps >= 5 * task.total_steps
    assert task.start <= outcome.score <= task.optimum + 1e-9
    assert (outcome.replaced > 0) == (arm not in {"defaults", "random", "random-cosine", "schedule"})


def test_greed_loses_to_random_search_where_the_better_choice_looks_worse_at_first():
    """The figures of the study on the published traps, with seeds of ours."""
    seeds = range(1000, 1003)
    known = {
        ("deceptive", 22): {"random": 1.043, "truncation-old": 0.906, "horizon-10": 1.193},
        ("entropy", 16): {"random": 0.681, "truncation-old": 0.559, "schedule": 0.999},
    }
    for (name, members), arms in known.items():
        for arm, score in arms.items():
            assert mean(name, arm, members, seeds, published=True) == pytest.approx(score, abs=0.06), (
                name,
                arm,
            )


def test_random_search_anneals_once_where_the_script_does_so_already():
    seeds = range(3)
    assert mean("entropy", "random-cosine", 4, seeds) == mean("entropy", "random", 4, seeds, "annealed")
    assert mean("entropy", "random-cosine", 4, seeds, "annealed") == mean(
        "entropy", "random", 4, seeds, "annealed"
    )
    noisy = annealed(form(make("entropy"), "noisy"))
    assert type(noisy).__name__ == "Noisy"
    assert type(noisy.inner).__name__ == "Annealed"


@pytest.mark.slow
def test_a_bandit_follows_an_optimum_that_moves_and_does_no_harm_under_noise():
    seeds = range(1000, 1004)
    assert mean("tracking", "bandit-old", 4, seeds) > mean("tracking", "truncation-old", 4, seeds) + 0.15
    noisy, plain = (mean("tracking", arm, 4, seeds, "noisy") for arm in ("bandit-old", "truncation-old"))
    assert noisy > plain - 0.03


@pytest.mark.slow
def test_a_bandit_that_is_told_of_failures_seeks_what_fails_no_more_than_moves_at_random_do():
    """Of the births in a space of which a fifth fails."""
    task = form(make("tracking", 1001), "failing")
    shares = []
    for explore in (Bandit(), Perturb()):
        population = Population(task, seeded(task, spec_of(task, 8, explore=explore), 1001))
        population.run()
        births = [one.hyperparameters for decided in population.rounds for one in decided.decisions]
        shares.append(sum(map(task.fails, births)) / len(births))
    assert shares[0] < 1.2 * shares[1]
