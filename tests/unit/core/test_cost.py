"""The estimate of what requests cost: the documented formula, over the newest reports, whatever came before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.records import Birth, Cause, File, Report
from pbt_contract.stores.parts import MIB, requests_of
from pbt_operator.core.cost import DAY_SECONDS, READ_DOLLARS, WRITE_DOLLARS, Costs, to_status
from pbt_operator.core.news import News, news_of


def report(
    member: int = 0, *, number: int | None = 1, seconds: float = 60.0, sizes: tuple[int, ...] = (1000,)
) -> News:
    step = number or 5
    told = Report(
        member=member,
        incarnation=1,
        step=step,
        round=number,
        metrics={},
        hyperparameters={},
        checkpoint=keys.checkpoint(member, 1, step, "x"),
        files=[File(name=str(n), size=size, sha256="0" * 64) for n, size in enumerate(sizes)],
        seconds=seconds,
    )
    birth = Birth(member=member, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="a test")
    return news_of(told, birth)


def estimate(costs: Costs, *, poll: float = 5.0, members: int = 100, in_place: bool = False):
    return costs.usage.estimate(poll_seconds=poll, members=members, in_place=in_place)


def test_nothing_is_said_before_the_first_report():
    assert estimate(Costs()) is None
    assert to_status(None) is None


def test_the_formula():
    costs = Costs()
    costs.learn(
        report(seconds=60.0, sizes=(1000, 20 * MIB))
    )  # one request, and three parts with two around them
    found = estimate(costs)
    assert (
        found.per_report == 1 + 5 + 1 + 1
    )  # the small file, the large one, the report, the operator's look at it
    day = 86400 / 60 * (7 * 5e-6 + 4e-7) + 86400 / 5 * (5e-6 / 100 + 4e-7)
    assert found.dollars_per_member_day == pytest.approx(day)
    in_place = estimate(costs, in_place=True)
    assert in_place.dollars_per_member_day == pytest.approx(day + 86400 / 5 * 4e-7)


def test_what_says_nothing_of_the_pace_is_left_out():
    costs = Costs()
    costs.learn(report(number=None))
    costs.learn(report(seconds=0.0))
    assert estimate(costs) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(1.0, 1e4), st.integers(0, 10**9)), min_size=1, max_size=40
    )
)
def test_only_the_newest_report_of_each_member_counts(reports):
    costs, newest = Costs(), {}
    for member, seconds, size in reports:
        costs.learn(report(member, seconds=seconds, sizes=(size,)))
        newest[member] = (seconds, requests_of(size) + 1)
    found = estimate(costs, poll=DAY_SECONDS * 1e6)
    assert found.per_report == pytest.approx(1 + sum(writes for _, writes in newest.values()) / len(newest))
    dollars = [DAY_SECONDS / s * (writes * WRITE_DOLLARS + READ_DOLLARS) for s, writes in newest.values()]
    assert found.dollars_per_member_day == pytest.approx(sum(dollars) / len(newest), abs=1e-9)


def test_the_status_moves_only_with_the_first_two_digits():
    costs = Costs()
    shown = set()
    for seconds in (60.0, 60.01, 60.02):
        costs.learn(report(seconds=seconds))
        shown.add(tuple(to_status(estimate(costs)).items()))
    assert shown == {(("perReport", 3.0), ("dollarsPerMemberDay", 0.023))}


def test_an_interval_that_is_said_to_take_no_time_at_all_costs_a_number():
    costs = Costs()
    costs.learn(report(seconds=5e-324))
    assert to_status(estimate(costs)) is None
