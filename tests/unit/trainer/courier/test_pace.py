"""How often the courier looks for the next birth: soon after a report, seldom else, and never without a bound."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_trainer.courier.pace import QUICK_LOOKS, QUICK_SECONDS, Pace

SPAN = 120.0


def looks_of(slow: float, reports: list[float]) -> list[float]:
    """When it looks within `SPAN` seconds, with reports at those times."""
    own, now, looks, due = Pace(slow, 0.0), 0.0, [], sorted(reports)
    while True:
        look = now + own.wait(now)
        if due and due[0] < look:
            now = due.pop(0)
            own.reported(now)
        elif look <= SPAN:
            now = look
            looks.append(now)
            own.looked(now)
        else:
            return looks


def pauses(looks: list[float]) -> list[float]:
    return [after - before for before, after in zip([0.0, *looks], looks, strict=False)]


def test_it_is_slow_until_a_report() -> None:
    assert pauses(looks_of(2.0, [])) == [2.0] * 60


def test_a_report_buys_so_many_quick_looks_and_no_more() -> None:
    assert pauses(looks_of(2.0, [0.0]))[: QUICK_LOOKS + 3] == [QUICK_SECONDS] * QUICK_LOOKS + [2.0] * 3


def test_reports_in_a_row_do_not_add_up() -> None:
    assert pauses(looks_of(2.0, [0.0] * 5)).count(QUICK_SECONDS) == QUICK_LOOKS


def test_a_pace_that_is_quick_anyway_stays() -> None:
    assert max(pauses(looks_of(0.125, [0.0]))) == 0.125 == min(pauses(looks_of(0.125, [0.0])))


@pytest.mark.parametrize("every", [0.01, 0.2, 0.3])
def test_reports_without_a_pause_put_no_look_off(every: float) -> None:
    looks = looks_of(2.0, [number * every for number in range(int(SPAN / every))])
    assert len(looks) >= SPAN / QUICK_SECONDS / 2


@given(st.sampled_from([0.1, 2.0, 5.0]), st.lists(st.floats(0, SPAN), max_size=8))
def test_the_bound_holds_for_any_reports(slow: float, reports: list[float]) -> None:
    looks = looks_of(slow, reports)
    assert len(looks) <= math.ceil(SPAN / slow) + len(reports) * QUICK_LOOKS + 1
    assert all(pause <= slow + 1e-9 for pause in pauses(looks))
