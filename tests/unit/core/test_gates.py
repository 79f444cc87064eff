"""How far members may train before more is decided, and that nobody waits for what can't come."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import UNSET

from fixtures.hypothesis_strategies import make_spec
from fixtures.lives import INTERVAL, born, lines, recorded
from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.records import Cause
from pbt_operator.core.gates import gate_after, is_over
from pbt_operator.core.history import History
from pbt_operator.core.lead import next_choice, reach
from pbt_operator.core.quorum import attend
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import NoExploit, Truncation
from pbt_operator.core.search import Schedule
from pbt_operator.core.spec import Exploit, Spec

MOST = 5
EVERYBODY = frozenset(range(MOST))

specs = st.builds(
    lambda members, rounds, short, burn_in, quorum, lead, horizon, rule, slots: make_spec(
        members=members,
        parallelism=slots,
        schedule=Schedule(
            total_steps=max(INTERVAL, rounds * INTERVAL - short),
            interval_steps=INTERVAL,
            burn_in_steps=burn_in,
            quorum_percent=quorum,
            max_lead=lead,
        ),
        exploit=Exploit(rule, horizon_percent=horizon),
    ),
    st.integers(1, MOST),
    st.integers(1, 14),
    st.integers(0, INTERVAL - 1),
    st.integers(0, 60),
    st.sampled_from([50, 75, 80, 100]),
    st.integers(0, 3) | st.just(10**6),
    st.sampled_from([0, 0, 20]),
    st.sampled_from([Truncation(), Truncation(), NoExploit()]),
    st.none() | st.integers(1, MOST),
)
populations = st.tuples(*(lines(member) for member in range(MOST)))


def history_of(told, decided) -> History:
    history = History(kept_per_member=10**6)
    for births, records in told:
        for birth in births:
            history.add_birth(birth)
        for record in records:
            history.add_record(record)
    for number in decided:
        history.add_round(Round(number=number, step=number * INTERVAL, spec=1, entries=[]))
    return history


def alive(history: History, spec: Spec, missing: set[int]) -> set[int]:
    births = ((member, history.newest_birth(member)) for member in range(spec.members))
    return {m for m, birth in births if birth is None or not birth.cause.closes} - missing


def new(members: int, *, reported: int = 0, decided: int = 0) -> History:
    """Members that all have reported so many rounds, in their first life."""
    told = [
        (
            [born(member, 1, Cause.INITIAL, 0, 0)],
            [recorded(member, 1, r * INTERVAL) for r in range(1, reported + 1)],
        )
        for member in range(members)
    ]
    return history_of(told, range(1, decided + 1))


def gate(history: History, spec: Spec, previous: Gate | None = None, missing: frozenset[int] = frozenset()):
    living = alive(history, spec, set(missing))
    return gate_after(history, spec, spec_number=1, living=living, previous=previous)


def plain(rounds: int = 20, members: int = 4, **schedule) -> Spec:
    return make_spec(
        members=members,
        schedule=Schedule(total_steps=rounds * INTERVAL, interval_steps=INTERVAL, **schedule),
    )


@given(
    specs, populations, st.sets(st.integers(1, 12), max_size=3), st.sets(st.sampled_from(sorted(EVERYBODY)))
)
def test_nobody_waits_for_a_round_that_cannot_be_decided(spec: Spec, told, decided, missing):
    history = history_of(told, {number for number in decided if number <= spec.schedule.last_round})
    found = gate(history, spec, missing=frozenset(missing))
    assert found is not None
    living = alive(history, spec, missing)
    without = {name.life for name in found.without}
    not_there = set() if found.missing is UNSET else {name.life for name in found.missing}
    assert all(is_over(history, life.member, spec) for life in without)
    assert all(life.member in missing for life in not_there)
    if found.awaits == 0:
        assert found.up_to == spec.schedule.last_round
        assert (found.quorum, found.is_strict) == (0, UNSET)
        return
    attendance = attend(history, spec, found.awaits, living=living)
    others = {life.member for life in without | not_there}
    assert others.isdisjoint(attendance.left)
    assert others | attendance.left == set(range(spec.members)) | attendance.left
    assert 2 <= found.quorum <= len(attendance.left)
    assert len(attendance.have) + len(attendance.awaited) >= (2 if found.is_strict is True else found.quorum)
    assert found.awaits > history.decided
    assert spec.schedule.decides(found.awaits)
    assert found.up_to == found.awaits + found.lead < spec.schedule.last_round
    assert (found.is_strict is True) == (spec.schedule.quorum_percent == 100)


@given(specs, specs, populations, st.lists(st.integers(1, 12), max_size=4))
def test_a_later_gate_opens_at_least_as_much_and_then_there_is_nothing_to_say(before, after, told, decided):
    history, previous = history_of(told, ()), None
    for number, spec in zip([*sorted(decided), 0], [before] * len(decided) + [after], strict=True):
        if number:
            history.add_round(Round(number=number, step=number * INTERVAL, spec=1, entries=[]))
        found = gate(history, spec, previous)
        if found is None:
            continue
        assert found.number == (previous.number if previous else 0) + 1
        assert found.up_to >= (previous.up_to if previous else 0)
        previous = found
        assert gate(history, spec, previous) is None


@given(st.integers(0, 4), st.sampled_from([50, 75, 100]), st.integers(0, 6), st.integers(0, 3))
def test_who_has_reported_trains_on_while_at_most_so_many_rounds_are_undecided(lead, quorum, decided, ahead):
    spec, reported = plain(quorum_percent=quorum, max_lead=lead), decided + ahead
    found = gate(new(4, reported=reported, decided=decided), spec)
    assert (found.up_to >= reported + 1) == (reported - decided <= lead)


@pytest.mark.parametrize(("quorum", "needed"), [(50, 4), (75, 6), (80, 7), (100, 8)])
def test_it_says_how_many_reports_the_awaited_round_needs(quorum, needed):
    found = gate(new(8), plain(members=8, quorum_percent=quorum))
    assert (found.awaits, found.quorum, found.is_strict) == (1, needed, True if quorum == 100 else UNSET)


def test_nobody_waits_for_burn_in_for_rounds_without_a_choice_or_for_the_last_one():
    assert gate(new(4), plain(burn_in_steps=55)).up_to == 6 + 2
    spec = plain(50, max_lead=1)
    far = replace(spec, exploit=Exploit(Truncation(), horizon_percent=20))
    assert (gate(new(4), far).awaits, gate(new(4), far).up_to) == (10, 11)
    assert gate(new(4), replace(spec, exploit=Exploit(NoExploit()))).up_to == 50
    assert gate(new(4, decided=47), spec).up_to == 49
    end = gate(new(4, decided=48), spec)
    assert (end.awaits, end.quorum, end.up_to) == (0, 0, 50)


def test_a_lone_survivor_waits_for_nobody():
    history = new(2, reported=1)
    history.add_birth(born(1, 2, Cause.FAILED, 10, 10))
    for percent in (75, 100):
        found = gate(history, plain(members=2, quorum_percent=percent))
        assert (found.up_to, found.awaits) == (20, 0)
        assert [name.life for name in found.without] == [Life(1, 2)]


def test_nobody_waits_for_who_is_missing_for_too_long():
    spec = plain(members=3, quorum_percent=100)
    found = gate(new(3), spec, missing=frozenset({2}))
    assert (found.awaits, found.quorum) == (1, 2)
    assert [name.life for name in found.missing] == [Life(2, 1)]
    assert gate(new(3), spec, missing=frozenset({1, 2})).up_to == 20
    again = gate(new(3), spec, found)
    assert (again.number, again.quorum, again.missing) == (2, 3, UNSET)


def test_who_waits_learns_who_is_over_though_as_many_are_needed_without_them():
    """A report of theirs would make the quorum, and the others would think that nobody decides."""
    spec, history = plain(quorum_percent=50), new(4, reported=1)
    first = gate(history, spec)
    history.add_birth(born(3, 2, Cause.FAILED, 10, 10))
    second = gate(history, spec, first)
    assert (second.number, second.quorum) == (2, first.quorum)
    assert [name.life for name in second.without] == [Life(3, 2)]
    history.add_birth(born(3, 3, Cause.REPLACE, 10, 10))
    assert gate(history, spec, second).without == []


def test_who_waits_learns_whose_reports_make_no_quorum():
    """Member 3 had reported round 2 before round 1 replaced it; member 4 is scaled away."""
    spec, history = plain(quorum_percent=50), new(5, reported=2, decided=1)
    first = gate(history, spec)
    assert [name.life for name in first.uncounted] == [Life(4, 1)]
    history.add_birth(born(3, 2, Cause.EXPLOIT, 10, 10))
    second = gate(history, spec, first)
    assert (second.awaits, second.quorum, second.without) == (2, 2, [])
    assert [name.life for name in second.uncounted] == [Life(3, 1), Life(4, 1)]
    history.add_record(recorded(3, 2, 20))
    assert gate(history, spec, second) is None
    strict = gate(history, plain(quorum_percent=100))
    assert strict.uncounted is UNSET


def test_a_round_that_too_few_can_report_any_more_is_not_waited_for():
    """Member 1 began at a checkpoint beyond it: without a lead both would wait for ever."""
    for percent in (75, 100):
        history = new(1, reported=1)
        history.add_birth(born(1, 1, Cause.SCALE, 20, 20))
        found = gate(history, plain(members=2, quorum_percent=percent, max_lead=0))
        assert (found.awaits, found.up_to) == (3, 3)


def test_where_slots_are_shared_one_may_be_ahead_unless_that_would_be_thrown_away():
    for percent, lead in ((75, 1), (100, 0)):
        spec = replace(plain(quorum_percent=percent, max_lead=0), parallelism=2)
        assert gate(new(4), spec).lead == lead


def test_an_operator_that_knows_less_says_nothing():
    ahead = gate(new(4, reported=5, decided=5), plain())
    assert gate(new(4, reported=5, decided=4), plain(), ahead) is None
    assert gate(new(4, reported=5, decided=5), plain(max_lead=5), replace_spec(ahead, 2)) is None


def replace_spec(gate: Gate, number: int) -> Gate:
    return Gate(**{name: getattr(gate, name) for name in gate.__struct_fields__} | {"spec": number})


def test_an_open_gate_takes_no_look_at_the_members():
    class Blind(History):
        def position(self, member):
            raise AssertionError(member)

    opened = gate(new(4), plain(max_lead=20))
    assert opened.awaits == 0
    assert gate_after(Blind(), plain(), spec_number=1, living={0}, previous=opened) is None


@given(specs, st.integers(0, 14))
def test_the_lead_ends_where_the_next_choice_is(spec: Spec, decided: int):
    assume(decided <= spec.schedule.last_round)
    newest = Round(number=decided, step=0, spec=1, entries=[]) if decided else None
    following, last = next_choice(newest, spec), spec.schedule.last_round
    if following is None:
        assert reach(newest, spec) == last
    else:
        assert decided < following < last
        assert following <= reach(newest, spec) <= last
