"""What a population may use, and when it has stopped to get better."""

from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.records import Source
from pbt_operator.core.budget import Limits, Plateau, Used, reached
from pbt_operator.core.round_record import Standing
from pbt_operator.core.search import Goal, Objective

OBJECTIVE = Objective("score")
scores = st.none() | st.integers(-20, 20).map(lambda number: number / 4)


def standing(score: float | None) -> Standing | None:
    if score is None:
        return None
    source = Source(member=0, incarnation=1, step=10, checkpoint="c", record="r")
    return Standing(member=0, incarnation=1, step=10, score=score, hyperparameters={}, source=source)


@given(st.integers(0, 10), st.integers(1, 10))
def test_each_limit_is_reached_exactly_when_as_much_is_used(used: int, limit: int):
    for limits, spent in (
        (Limits(total_member_steps=limit), Used(member_steps=used)),
        (Limits(gpu_hours=limit), Used(gpu_seconds=used * 3600)),
        (Limits(active_seconds=limit), Used(active_seconds=used)),
    ):
        found = reached(limits, None, OBJECTIVE, spent)
        assert (found is not None) == (used >= limit)
        assert found is None or found.reason == "LimitReached"


def test_without_limits_nothing_is_reached():
    assert reached(Limits(), None, OBJECTIVE, Used(1e12, 1e12, 10**12)) is None


@given(scores, scores, st.integers(0, 8).map(lambda number: number / 4), st.sampled_from(Goal))
def test_a_plateau_is_a_gain_that_is_not_above_the_least_one(before, now, least, goal: Goal):
    used = Used(best_before=standing(before), best=standing(now))
    found = reached(Limits(), Plateau(3, least), Objective("score", goal), used)
    if before is None or now is None:
        assert found is None
        return
    gain = now - before if goal is Goal.MAXIMIZE else before - now
    assert (found is not None) == (gain <= least)
    assert found is None or found.reason == "Plateau"
