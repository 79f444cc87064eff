"""How often the courier looks for the next birth: soon after a report, seldom else, and never without a bound."""

import math

import pytest

from pbt_trainer.pace import QUICK_LOOKS, QUICK_SECONDS, Pace


def test_it_is_slow_until_a_report() -> None:
    slow = Pace(2.0)
    assert [slow.pause() for _ in range(100)] == [2.0] * 100


def test_a_report_buys_so_many_quick_looks_and_no_more() -> None:
    after = Pace(2.0)
    after.reported()
    pauses = [after.pause() for _ in range(QUICK_LOOKS + 3)]
    assert pauses == [QUICK_SECONDS] * QUICK_LOOKS + [2.0] * 3


def test_reports_in_a_row_do_not_add_up() -> None:
    after = Pace(2.0)
    for _ in range(5):
        after.reported()
    assert sum(after.pause() == QUICK_SECONDS for _ in range(1000)) == QUICK_LOOKS


def test_a_pace_that_is_quick_anyway_stays() -> None:
    local = Pace(0.1)
    local.reported()
    assert {local.pause() for _ in range(100)} == {0.1}


@pytest.mark.parametrize(
    ("slow", "reports_at"), [(2.0, [0.0]), (2.0, [0.0, 3.0, 60.0]), (5.0, []), (0.1, [1.0])]
)
def test_the_bound_holds_for_any_reports(slow: float, reports_at: list[float]) -> None:
    span, now, looks, own = 120.0, 0.0, 0, Pace(slow)
    due = list(reports_at)
    while True:
        while due and due[0] <= now:
            own.reported()
            del due[0]
        now += own.pause()
        if now > span:
            break
        looks += 1
    assert looks <= math.ceil(span / slow) + len(reports_at) * QUICK_LOOKS
    assert looks >= span / slow - 1
