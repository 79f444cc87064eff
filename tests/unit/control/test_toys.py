"""The toys with known optima, in the in-memory runner: the decisions do what the literature says."""

import pytest

from fixtures.manifests import PAPER_TOY, TRIANGLE_RATE, spec
from fixtures.toys import PaperToy, TriangleRate
from pbt_operator.records.archive import read_archive
from simulation import Simulation

NONE = {"none": {}}


def best_score(simulation: Simulation) -> float:
    best = read_archive(simulation.run().store).best
    assert best is not None
    return best.score


def test_paper_toy_without_exploit_stays_at_0592():
    assert best_score(Simulation(spec(PAPER_TOY, exploit=NONE), PaperToy())) == pytest.approx(
        0.592, abs=0.001
    )


@pytest.mark.parametrize("seeds", [range(start, start + 10) for start in range(0, 50, 10)])
def test_paper_toy_with_pbt_reaches_115_in_every_seed(seeds):
    scores = [best_score(Simulation(spec(PAPER_TOY, seed=seed), PaperToy())) for seed in seeds]
    assert min(scores) >= 1.15
    assert max(scores) <= 1.2


def solved(seeds: range, **changes: object) -> int:
    return sum(
        best_score(Simulation(spec(TRIANGLE_RATE, seed=seed, **changes), TriangleRate())) > 200
        for seed in seeds
    )


@pytest.mark.slow
def test_triangle_rate_is_solved_by_four_members_with_pbt_in_48_of_50_seeds():
    assert solved(range(50)) >= 48


@pytest.mark.slow
def test_triangle_rate_is_solved_by_the_best_of_four_fixed_rates_in_fewer_than_20_seeds():
    assert solved(range(50), exploit=NONE) < 20
