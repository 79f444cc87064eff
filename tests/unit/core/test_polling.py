"""When the store is looked at: at every poll, in between for the few that a round lacks, and never without a bound."""

from hypothesis import given
from hypothesis import strategies as st

from pbt_operator.control.reconcile import FEW
from pbt_operator.core.polling import GLANCE_SECONDS, Pace

POLL = 5.0


def looks(pace: Pace, now: float, expected: set[int]) -> tuple[bool, bool]:
    """A pass: whether it lists and whether it glances."""
    lists, glances = pace.lists(now), pace.glances(now)
    pace.looked(now, listed=lists, glanced=glances, expected=expected)
    return lists, glances


def test_nothing_expected_is_one_listing_for_each_poll():
    pace = Pace(POLL)
    assert looks(pace, 0.0, set()) == (True, False)
    assert pace.seconds(0.0) == POLL
    assert looks(pace, 1.0, set()) == (False, False)
    assert pace.seconds(1.0) == POLL - 1.0
    assert looks(pace, POLL, set()) == (True, False)


def test_the_few_that_are_missing_are_looked_for_at_once_and_not_for_ever():
    pace = Pace(POLL)
    looks(pace, 0.0, {1, 2})
    assert pace.seconds(0.0) == GLANCE_SECONDS
    assert looks(pace, 0.1, {1, 2}) == (False, False)  # woken by a pod: not yet
    assert looks(pace, GLANCE_SECONDS, {1, 2}) == (False, True)
    now = 2 * POLL
    assert looks(pace, now, {1, 2}) == (True, False)
    assert pace.seconds(now) == POLL
    assert looks(pace, now + 1.0, {2}) == (False, False)  # it came: the other one may be next
    assert pace.seconds(now + 1.0) == 0.0
    assert looks(pace, now + 1.0, {2}) == (False, True)


def test_what_the_next_round_lacks_is_looked_for_as_well():
    pace = Pace(POLL)
    looks(pace, 0.0, {3})
    looks(pace, GLANCE_SECONDS, {3})
    looks(pace, 2 * GLANCE_SECONDS, {0, 1})  # the round is decided, and two lack the one after
    assert pace.seconds(2 * GLANCE_SECONDS) == GLANCE_SECONDS
    looks(pace, 2 * GLANCE_SECONDS + POLL, {0, 1, 2})  # nobody came
    assert pace.seconds(2 * GLANCE_SECONDS + POLL) == POLL


@given(
    arrivals=st.lists(st.floats(0.0, 120.0), max_size=FEW), wakes=st.lists(st.floats(0.0, 150.0), max_size=30)
)
def test_a_round_costs_a_bounded_number_of_reads_however_its_reports_and_pods_come(arrivals, wakes):
    pace, now, reads, lists = Pace(POLL), 0.0, 0, 0
    events = sorted(wakes)
    while now < 150.0:
        missing = {number for number, at in enumerate(arrivals) if at > now}
        was = len(missing)
        listed, glanced = looks(pace, now, missing)
        reads, lists = reads + glanced * was, lists + listed
        wait = max(pace.seconds(now), 0.01)
        now = min([now + wait, *(at for at in events if at > now)])
    assert lists <= 150.0 / POLL + 1
    assert reads <= FEW * (FEW + 1) / 2 * (POLL / GLANCE_SECONDS + 1)
