"""When losers are replaced again with a horizon, and that everything else is as it was."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from fixtures.hypothesis_strategies import INTERVAL, entry, make_spec, round_of
from pbt_contract.encoding import encode
from pbt_operator.core.exploit import choose, judge
from pbt_operator.core.horizon import due, following, num_replacing_rounds, replacing_rounds
from pbt_operator.core.laws import broken_laws
from pbt_operator.core.quorum import planned_due
from pbt_operator.core.replay import replay_faults
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import Truncation
from pbt_operator.core.search import Schedule
from pbt_operator.core.spec import Exploit

percents = st.integers(0, 50)
lengths = st.integers(1, 10_000)


def schedule(rounds, **changes):
    return Schedule(total_steps=rounds * INTERVAL, interval_steps=INTERVAL, **changes)


def horizon(percent, rounds, **changes):
    return make_spec(
        exploit=Exploit(Truncation(), horizon_percent=percent), schedule=schedule(rounds), **changes
    )


def compared(number, newest, spec, scores=(0.0, 1.0, 2.0, 3.0)):
    """The round as it is recorded after `newest`."""
    planned = planned_due(newest, spec)
    step = spec.schedule.step_of(number)
    entries = [entry(member, score, step=step) for member, score in enumerate(scores)]
    chosen = choose(spec.view(number, entries, due=planned), spec=spec)
    return Round(number=number, step=step, spec=1, entries=entries, decisions=chosen.decisions, due=planned)


def run(numbers, spec):
    """Rounds recorded one after the other; which of them replaced anybody."""
    newest, replaced = None, []
    for number in numbers:
        newest = compared(number, newest, spec)
        if newest.decisions:
            replaced.append(number)
    return replaced


def test_twenty_percent_of_fifty_rounds():
    assert replacing_rounds(20, schedule(50)) == [10, 18, 25, 30, 34, 38, 41, 43, 45, 46, 47, 48, 49]


def test_fifty_percent_of_twenty_rounds():
    assert replacing_rounds(50, schedule(20)) == [10, 15, 18, 19]


@pytest.mark.parametrize("rounds", range(1, 61))
def test_the_rounds_are_those_of_the_formula_for_every_horizon(rounds):
    for percent in range(51):
        expected, number = [], 0
        while (number := number + max(1, ceil(Fraction(percent, 100) * (rounds - number)))) < rounds:
            expected.append(number)
        assert replacing_rounds(percent, schedule(rounds)) == expected
        assert run(range(1, rounds + 1), horizon(percent, rounds)) == expected


@given(rounds=st.integers(1, 60), members=st.integers(2, 9), data=st.data())
def test_no_horizon_changes_no_byte(rounds, members, data):
    number = data.draw(st.integers(1, rounds))
    scores = data.draw(st.lists(st.floats(-9, 9) | st.none(), min_size=members, max_size=members))
    plain = make_spec(schedule=schedule(rounds))
    without = compared(number, None, horizon(0, rounds), scores)
    chosen = choose(plain.view(number, without.entries), spec=plain).decisions
    assert encode(without) == encode(
        Round(number=number, step=without.step, spec=1, entries=without.entries, decisions=chosen)
    )
    assert b"due" not in encode(without)


@given(percent=st.integers(1, 50), rounds=lengths, number=lengths)
def test_the_plan_moves_on_and_never_beyond_the_end(percent, rounds, number):
    planned = following(number, percent, schedule(rounds))
    assert planned > number
    assert planned <= max(rounds, number + 1)


@given(percent=st.integers(1, 50), rounds=st.integers(2, 200), data=st.data())
def test_a_skipped_round_is_made_up_by_the_next_recorded_one(percent, rounds, data):
    numbers = sorted(data.draw(st.sets(st.integers(1, rounds - 1), min_size=1)))
    spec = horizon(percent, rounds)
    planned = following(0, percent, spec.schedule)
    expected = []
    for number in numbers:
        if number >= planned:
            expected.append(number)
            planned = following(number, percent, spec.schedule)
    assert run(numbers, spec) == expected


@given(percent=st.integers(1, 50), rounds=st.integers(2, 99), more=st.integers(1, 99))
def test_the_plan_starts_over_when_the_total_is_raised_at_the_end(percent, rounds, more):
    newest = None
    for number in range(1, rounds + 1):
        newest = compared(number, newest, horizon(percent, rounds))
    after = due(newest, percent, schedule(rounds + more))
    assert after == rounds + max(1, ceil(Fraction(percent, 100) * more))


@given(before=percents, after=percents, rounds=st.integers(2, 99), data=st.data())
def test_a_horizon_that_changes_holds_from_the_newest_round_on(before, after, rounds, data):
    newest = None
    for number in range(1, data.draw(st.integers(1, rounds)) + 1):
        newest = compared(number, newest, horizon(before, rounds))
    planned = due(newest, after, schedule(rounds))
    if after == 0:
        assert planned == newest.number + 1
    elif newest.due is UNSET or newest.number >= newest.due:
        assert planned == following(newest.number, after, schedule(rounds))
    else:
        assert planned == newest.due  # what was promised stands


def test_nobody_is_replaced_during_burn_in_and_the_plan_runs_on():
    burning = schedule(50, burn_in_steps=12 * INTERVAL)
    assert replacing_rounds(20, burning)[:3] == [18, 25, 30]
    spec = make_spec(exploit=Exploit(Truncation(), horizon_percent=20), schedule=burning)
    assert run(range(1, 31), spec) == [18, 25, 30]


def test_even_a_diverged_member_waits_until_the_round_that_is_due():
    spec = horizon(20, 50)
    scores = (None, 1.0, 2.0, 3.0)
    assert compared(9, None, spec, scores).decisions == []
    assert [d.member for d in compared(10, None, spec, scores).decisions] == [0, 1]


def test_a_straggler_is_judged_by_what_was_due_in_its_round():
    spec, late = horizon(20, 50), entry(3, -1.0, step=9 * INTERVAL)
    others, newest = round_of(0.0, 1.0, 2.0), round_of(0.0, 1.0, 2.0)
    told = {"recorded": others, "newest": newest, "spec": spec, "round_number": 9}
    assert judge(late, **told, due=10) is None
    assert judge(late, **told, due=9) is not None


def test_a_replay_notices_a_decision_before_its_time():
    spec = horizon(20, 50)
    due_now = compared(10, None, spec)
    early = Round(number=9, step=900, spec=1, entries=due_now.entries, decisions=due_now.decisions, due=10)
    assert list(replay_faults(due_now, spec=spec, rounds={})) == []
    assert "its decisions don't follow from its scores" in list(replay_faults(early, spec=spec, rounds={}))
    view = spec.view(9, early.entries, due=early.due)
    assert list(broken_laws(early.decisions, view=view, spec=spec))


@pytest.mark.parametrize("percent", [0, 1, 20, 100])
@pytest.mark.parametrize("burn_in", [0, 5, 10, 25, 99])
@pytest.mark.parametrize("total", [95, 100, 101])
def test_as_many_rounds_are_counted_as_there_are(percent, burn_in, total):
    asked = Schedule(total_steps=total, interval_steps=10, burn_in_steps=min(burn_in, total - 1))
    assert num_replacing_rounds(percent, asked) == len(replacing_rounds(percent, asked))


def test_ten_million_rounds_are_counted_without_a_look_at_each(monkeypatch):
    monkeypatch.setattr(Schedule, "decides", lambda *_: pytest.fail("it looks at each"))
    assert num_replacing_rounds(0, Schedule(total_steps=9_999_999, interval_steps=1)) == 9_999_998
