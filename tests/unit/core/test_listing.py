"""Where a listing begins: it shows all that may be new, and is cheaper than asking for the rest one by one."""

from hypothesis import given
from hypothesis import strategies as st

from pbt_operator.core.listing import first_round


def test_without_laggards_only_what_follows_the_newest_round_is_listed():
    assert first_round({}, decided=7, newest=7, members=5000) == 8


def test_a_few_laggards_of_many_are_asked_one_by_one():
    assert first_round({7: 3}, decided=7, newest=8, members=5000) == 8


def test_many_laggards_are_listed():
    assert first_round({7: 1200}, decided=7, newest=8, members=5000) == 7


def test_laggards_of_a_small_population_cost_nothing():
    assert first_round({6: 1, 7: 2}, decided=7, newest=8, members=20) == 6


def test_one_that_is_far_behind_does_not_make_everybody_pay():
    assert first_round({2: 1, 700: 400}, decided=700, newest=701, members=1000) == 700


@given(
    following=st.dictionaries(st.integers(1, 50), st.integers(1, 500), max_size=5),
    decided=st.integers(0, 50),
    ahead=st.integers(0, 5),
    members=st.integers(2, 5000),
)
def test_it_is_never_after_what_may_be_new(following, decided, ahead, members):
    first = first_round(following, decided=decided, newest=decided + ahead, members=members)
    assert first <= decided + 1
    assert first in {decided + 1, *following}
