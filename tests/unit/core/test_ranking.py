from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import entries, entry, round_of
from pbt_operator.core.ranking import rank
from pbt_operator.core.search import Goal, Objective

MAXIMIZE, MINIMIZE = Objective("score"), Objective("score", Goal.MINIMIZE)


def ranked(entries, *, objective=MAXIMIZE, seed=0, number=1):
    return [e.member for e in rank(entries, objective=objective, seed=seed, round_number=number)]


@given(entries(), st.integers(0, 99))
def test_the_order_of_the_input_does_not_matter(entries, seed):
    shuffled = Random(seed).sample(entries, len(entries))
    assert ranked(entries) == ranked(shuffled)


@given(entries())
def test_the_best_is_first_and_members_without_a_finite_score_are_last(entries):
    by_member = {e.member: e.score for e in entries}
    scores = [by_member[member] for member in ranked(entries)]
    finite = [score for score in scores if score is not None]
    assert finite == sorted(finite, reverse=True)
    assert scores[: len(finite)] == finite


@given(entries())
def test_minimizing_the_negative_is_maximizing(entries):
    negated = [entry(e.member, None if e.score is None else -e.score) for e in entries]
    assert ranked(negated, objective=MINIMIZE) == ranked(entries)


def test_minimize_puts_the_lowest_first():
    assert ranked(round_of(3.0, 1.0, None, 2.0), objective=MINIMIZE) == [1, 3, 0, 2]


def test_ties_are_drawn_for_each_round_and_seed():
    tied = round_of(1.0, 1.0, 1.0, 1.0)
    orders = {tuple(ranked(tied, number=number)) for number in range(40)}
    assert len(orders) > 10
    assert {order[0] for order in orders} == {0, 1, 2, 3}
    assert ranked(tied, seed=1) != ranked(tied, seed=2)
    assert len({tuple(ranked(round_of(None, None, None), number=number)) for number in range(20)}) > 2
