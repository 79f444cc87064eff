"""Which records count."""

import pytest

from pbt_contract import keys
from pbt_contract.counting import counts, line, report_fault
from pbt_contract.records import Birth, Cause, Report


def birth(incarnation: int, cause: Cause = Cause.RESUME, *, start: int = 0, previous: int = 0) -> Birth:
    return Birth(
        member=0,
        incarnation=incarnation,
        cause=cause,
        hyperparameters={"lr": 0.1},
        start_step=start,
        previous_step=previous,
        reason="",
    )


def report(incarnation: int, step: int, *, round_number: int | None = None, lr: float = 0.1) -> Report:
    return Report(
        member=0,
        incarnation=incarnation,
        step=step,
        round=round_number,
        metrics={},
        hyperparameters={"lr": lr},
        checkpoint=keys.checkpoint(0, incarnation, step, "n"),
        files=[],
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (report(1, 20, round_number=2), None),
        (report(1, 15), None),
        (report(1, 20, lr=0.2), "its hyperparameters are not those of its birth"),
        (report(1, 10), "step 10 is not past its start, 10"),
        (report(1, 20, round_number=3), "step 20 is not of round 3"),
    ],
)
def test_a_report_is_compared_with_its_birth(found: Report, told: str | None) -> None:
    assert report_fault(found, birth(1, start=10), interval_steps=10) == told


def test_a_report_without_a_birth_is_no_report() -> None:
    assert report_fault(report(1, 10), None, interval_steps=10) == "there is no such birth"


@pytest.mark.parametrize(
    ("second", "step", "counted"),
    [
        (birth(2, previous=20), 20, True),
        (birth(2, previous=20), 21, False),
        (birth(2, Cause.EXPLOIT, previous=20), 20, True),
        (birth(2, Cause.EXPLOIT, previous=20), 30, False),
    ],
)
def test_a_record_counts_up_to_where_the_next_birth_left_its_incarnation(
    second: Birth, step: int, counted: bool
) -> None:
    assert counts(report(1, step), {1: birth(1), 2: second}, newest=2) == counted


def test_only_resumes_and_the_first_decision_after_it_bound_a_record() -> None:
    births = {
        1: birth(1),
        2: birth(2, previous=30),
        3: birth(3, Cause.EXPLOIT, previous=25),
        4: birth(4, previous=5),
    }
    assert counts(report(1, 25), births, newest=4)
    assert not counts(report(1, 26), births, newest=4)
    assert not counts(report(1, 10), {1: birth(1), 3: births[3]}, newest=3)  # a birth between isn't known


def test_a_line_goes_back_to_the_newest_decision() -> None:
    births = {1: birth(1, Cause.INITIAL), 2: birth(2, Cause.EXPLOIT), 3: birth(3), 4: birth(4, Cause.CRASH)}
    assert [found.incarnation for found in line(births, newest=4)] == [4, 3, 2]
    assert [found.incarnation for found in line(births, newest=1)] == [1]
    assert list(line({}, newest=0)) == []
