"""What one pass may read: a bound on reads, bytes and seconds that always lets it get on."""

import pytest

from pbt_operator.core.allowance import Allowance


def test_without_a_limit_it_is_never_spent():
    allowance = Allowance()
    allowance.spend(reads=10**9, size=10**15)
    assert allowance.at_once(256) == 256
    assert not allowance.is_spent


@pytest.mark.parametrize(
    ("limit", "spent"), [({"reads": 3}, {"reads": 3}), ({"size": 9}, {"reads": 1, "size": 9})]
)
def test_it_is_spent_with_the_last_read_or_byte(limit, spent):
    allowance = Allowance(**limit)
    assert not allowance.is_spent
    allowance.spend(**spent)
    assert allowance.is_spent


def test_it_is_spent_when_its_time_is_over():
    now = 100.0
    allowance = Allowance(seconds=2.0, clock=lambda: now)
    now = 101.9
    assert not allowance.is_spent
    now = 102.0
    assert allowance.is_spent


def test_as_many_are_read_at_once_as_are_left_and_one_at_least():
    allowance = Allowance(reads=5)
    assert [allowance.at_once(3), allowance.at_once(8)] == [3, 5]
    allowance.spend(reads=5)
    assert allowance.at_once(8) == 1
