"""Wall time over the ideal, from marks."""

import pytest

from bench.local import Settings
from bench.marks import Mark
from bench.wall import idlest, slowest, together

SETTINGS = Settings(steps=2, interval=1, step_seconds=1.0, rates=(0.1, 0.2))


def steps(member: str, *begins: float) -> list[Mark]:
    return [
        Mark(at, what, member, member, {"step": number})
        for number, begin in enumerate(begins, 1)
        for at, what in ((begin, "begin"), (begin + 1, "end"))
    ]


def test_the_slowest_member_counts_from_its_own_first_step():
    marks = [*steps("0", 0.0, 1.0), *steps("1", 10.0, 11.5)]
    assert slowest(marks, SETTINGS) == pytest.approx(1.25)


def test_a_step_in_vain_is_no_idle_time():
    marks = [*steps("0", 0.0, 1.0), *steps("1", 0.0, 1.0, 2.0, 3.25)]  # it did its steps twice
    assert slowest(marks, SETTINGS) == pytest.approx(4.25 / 2)
    assert idlest(marks, SETTINGS) == pytest.approx(4.25 / 4)


def test_members_that_take_turns_count_from_the_first_step_of_all():
    marks = [*steps("0", 0.0, 1.0), *steps("1", 2.5, 3.5)]
    assert together(marks, SETTINGS, slots=1, steps=4) == pytest.approx(4.5 / 4)
