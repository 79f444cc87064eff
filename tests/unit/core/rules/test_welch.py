import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pbt_operator.core.rules.welch import welch

numbers = st.floats(allow_nan=False, allow_infinity=False)
lists = st.lists(numbers, max_size=6)
tame = st.lists(st.floats(-100, 100).map(lambda x: round(x, 2)), min_size=2, max_size=30)


def scipys(better, worse):
    return stats.ttest_ind(better, worse, equal_var=False, alternative="greater").pvalue


@given(tame, tame)
def test_agrees_with_scipy(better, worse):
    assume(len(set(better)) > 1 or len(set(worse)) > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, about one list that doesn't vary
        expected = scipys(better, worse)
    assert welch(better, worse) == pytest.approx(expected, rel=1e-9, abs=1e-290)


@pytest.mark.parametrize("shift", [0.0, 1e-9, 0.01, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("num_values", [2, 3, 10, 1000])
def test_agrees_with_scipy_from_equal_to_far_apart_and_for_long_lists(shift, num_values):
    better = [shift + (n * 7919 % 101) / 101 for n in range(num_values)]
    unlike = [2 * (n * 104729 % 97) / 97 for n in range(num_values + 1)]
    unmoved = [value - shift for value in better]
    for worse in (unlike, unmoved):
        assert welch(better, worse) == pytest.approx(scipys(better, worse), rel=1e-9, abs=1e-290)
        assert welch(worse, better) == pytest.approx(scipys(worse, better), rel=1e-9, abs=1e-290)


@given(lists, lists)
def test_is_a_probability_for_any_finite_values(better, worse):
    assert 0 <= welch(better, worse) <= 1


@given(tame, tame)
def test_both_ways_together_make_one(better, worse):
    assume(len(set(better)) > 1)
    assert welch(better, worse) + welch(worse, better) == pytest.approx(1)


@given(tame, tame, st.integers(-1000, 900))
def test_the_scale_does_not_matter(better, worse, exponent):
    assume(len(set(better)) > 1)
    scaled = [[value * 2.0**exponent for value in values] for values in (better, worse)]
    assert welch(*scaled) == pytest.approx(welch(better, worse), rel=1e-9)


@pytest.mark.parametrize(
    ("better", "worse"), [([], []), ([9.0], [1.0]), ([9.0, 9.1], [1.0]), ([9.0], [1.0, 1.1])]
)
def test_fewer_than_two_values_prove_nothing(better, worse):
    assert welch(better, worse) == 1


@pytest.mark.parametrize("num_values", [2, 3, 7, 49])
def test_without_variance_only_a_greater_value_is_better(num_values):
    assert welch([0.2] * num_values, [0.1] * 3) == 0
    assert welch([0.1] * num_values, [0.1] * 3) == 1
    assert welch([0.1] * num_values, [0.2] * 3) == 1
    assert welch([0.0] * num_values, [0.0] * 3) == 1
