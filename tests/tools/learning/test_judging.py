"""The statistics give known answers, and keep what they promise on data whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from learning.judging import Cell, figure, gain, holm, paired, saturated, seeds_needed

CELL = Cell("toy", "constant", 8)


def scores(**arms):
    return {name: dict(enumerate(map(float, values))) for name, values in arms.items()}


def test_pairs_are_those_seeds_that_all_arms_have_in_one_order():
    found = {"random": {3: 0.3, 1: 0.1, 2: 0.2}, "auto": {2: 0.6, 3: 0.9, 7: 0.7}}
    assert paired(found, "auto", "random").tolist() == [[0.6, 0.9], [0.2, 0.3]]


def test_a_gain_is_in_units_of_what_random_search_leaves():
    found = gain(scores(random=[0.5, 0.7], auto=[0.7, 0.9]), "auto", margin=0.05)
    assert found.mean == pytest.approx(0.2 / 0.4)
    assert found.seeds == 2
    assert gain(scores(random=[0.5], auto=[0.7]), "auto", margin=0.05) is None
    assert gain(scores(random=[0.5, 0.5]), "auto", margin=0.05) is None


def test_p_values_and_intervals_are_those_of_students_t_test():
    rng = np.random.default_rng(3)
    random, ours = rng.normal(0.5, 0.1, 12), rng.normal(0.55, 0.1, 12)
    found = gain(scores(random=random, auto=ours), "auto", margin=0.05)
    above = stats.ttest_1samp(ours - random, 0, alternative="greater")
    assert found.p_above == pytest.approx(above.pvalue, rel=1e-9)
    assert found.p_below == pytest.approx(1 - above.pvalue, rel=1e-9)
    inferior = stats.ttest_1samp(ours - random + 0.05 * (1 - random), 0, alternative="greater")
    assert found.p_inferior == pytest.approx(inferior.pvalue, rel=1e-9)
    low, high = stats.ttest_1samp(ours - random, 0).confidence_interval(0.95)
    room = 1 - random.mean()
    assert (found.low, found.high) == pytest.approx((low / room, high / room), rel=1e-3)


def test_another_arm_than_random_search_is_compared_in_the_same_unit():
    found = gain(scores(random=[0.5, 0.5], auto=[0.8, 0.9], ray=[0.7, 0.8]), "auto", "ray", margin=0.05)
    assert found.mean == pytest.approx(0.1 / 0.5)
    assert found.p_above < 1e-9


def test_a_cell_is_saturated_where_random_search_leaves_less_than_a_twentieth():
    assert saturated(scores(random=[0.95, 0.96]), 0.95)
    assert not saturated(scores(random=[0.94, 0.95]), 0.95)
    assert not saturated({}, 0.95)


def test_holms_adjustment_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_equal_arms_are_shown_not_inferior_as_often_as_the_power_says():
    needed = seeds_needed(0.1, margin=0.025, alpha=0.05, power=0.9)
    assert needed == 138  # (1.645 + 1.282)^2 * 16
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(300):
        random = np.full(needed, 0.5)
        found = gain(scores(random=random, auto=random + rng.normal(0, 0.1, needed)), "auto", margin=0.05)
        shown += found.p_inferior <= 0.05
    assert shown / 300 == pytest.approx(0.9, abs=0.06)


def sampled(rng, truths, *, seeds=40, noise=0.1):
    return {
        Cell(f"task {number}", form, 8): scores(
            random=rng.normal(0.5, noise, seeds), auto=rng.normal(0.5 + truth / 2, noise, seeds)
        )
        for number, truth in enumerate(truths)
        for form in ("constant", "noisy")
    }


def test_the_figure_is_the_mean_over_tasks_whatever_number_of_cells_each_has():
    cells = {
        Cell("a", "constant", 8): scores(random=[0.5, 0.5], auto=[0.6, 0.6]),
        Cell("a", "noisy", 8): scores(random=[0.5, 0.5], auto=[0.7, 0.7]),
        Cell("b", "constant", 8): scores(random=[0.0, 0.0], auto=[0.5, 0.5]),
        Cell("easy", "constant", 8): scores(random=[0.99, 0.99], auto=[0.1, 0.1]),
    }
    found = figure(cells, "auto", limit=0.95)
    assert found.mean == pytest.approx((0.3 + 0.5) / 2)
    assert (found.low, found.high) == pytest.approx((0.3, 0.5))
    assert found.tasks == 2
    assert figure(cells, "tpe", limit=0.95) is None


def test_the_interval_of_the_figure_holds_the_differences_between_tasks_and_between_seeds():
    """Of ten tasks the truth varies by 0.3; its standard error is that of a sample of ten, the seeds add little."""
    rng = np.random.default_rng(1)
    truths = rng.normal(0.2, 0.3, 10)
    found = figure(sampled(rng, truths), "auto", limit=0.95)
    expected = 1.96 * np.std(truths) / np.sqrt(10)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.15)
    alone = figure(sampled(rng, [0.2] * 10), "auto", limit=0.95)
    assert (alone.high - alone.low) / 2 < expected / 4


@pytest.mark.slow
def test_the_interval_of_the_figure_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(60):
        found = figure(sampled(rng, rng.normal(0.2, 0.2, 12), seeds=20), "auto", limit=0.95)
        held += found.low <= 0.2 <= found.high
    assert held >= 50


def test_a_figure_is_reproducible():
    cells = sampled(np.random.default_rng(4), [0.1, 0.4, 0.2])
    assert figure(cells, "auto", limit=0.95) == figure(cells, "auto", limit=0.95)
