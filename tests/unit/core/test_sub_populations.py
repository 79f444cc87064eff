"""Sub-populations: paces, merges, and the authors' own decisions of Multiple-Frequencies PBT."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.hypothesis_strategies import entry, make_spec, uniform
from pbt_contract.records import Birth, Cause
from pbt_operator.core.exploit import choose, judge
from pbt_operator.core.laws import broken_laws
from pbt_operator.core.round_record import Round, Turn
from pbt_operator.core.rules import BinaryTournament, Truncation
from pbt_operator.core.search import Hyperparameter, Schedule
from pbt_operator.core.sub_populations import (
    SubPopulation,
    belongs,
    merged,
    num_rounds_of,
    planned,
    rounds_of,
    smallest,
    span,
)

VECTORS = Path(__file__).parent / "data" / "multiple_frequencies.jsonl"
"""Decisions of the routine that Doulazmi et al. published with arXiv 2506.03225, for seeded scores; members that go on
undisturbed are left out. Of each other one: whose weights, whose hyperparameters, whether explored."""
LONG = Schedule(total_steps=100_000, interval_steps=1)
FAST, SLOW = SubPopulation(every_rounds=1), SubPopulation(horizon_percent=20)


def number_space():
    """A hyperparameter that tells whose it is: each member has its own number."""
    return (Hyperparameter("whose", uniform(-1000.0, 1000.0)),)


def of_part(part, member, score, **hyperparameters):
    return replace(entry(member, score), hyperparameters=hyperparameters, sub_population=part)


def entries_of(scores, parts):
    return [
        of_part(member % parts, member, score, whose=float(member)) for member, score in enumerate(scores)
    ]


def turns_at(number, every):
    return [
        Turn(since=(number - 1) // e * e, due=((number - 1) // e + 1) * e, decides=number % e == 0)
        for e in every
    ]


def taken(decision):
    """Whose weights, whose hyperparameters, whether explored."""
    source = decision.source.member
    whose = source if decision.migrated is UNSET else int(decision.hyperparameters["whose"])
    return [source, whose, decision.migrated is UNSET]


@pytest.mark.parametrize("case", VECTORS.read_text().splitlines())
def test_brackets_and_migration_are_those_of_the_authors(case):
    case = json.loads(case)
    number, parts = case["round"], [SubPopulation(every_rounds=each) for each in case["everyRounds"]]
    spec = make_spec(schedule=LONG, hyperparameters=number_space(), sub_populations=tuple(parts))
    view = spec.view(number, entries_of(case["scores"], len(parts)))
    turns = turns_at(number, case["everyRounds"])
    decisions = choose(view, spec=spec, turns=turns).decisions
    assert {str(decision.member): taken(decision) for decision in decisions} == case["moves"]
    assert list(broken_laws(decisions, view=view, spec=spec, turns=turns)) == []


@given(every=st.integers(1, 20), rounds=st.integers(1, 100), burn_in=st.integers(0, 300))
def test_every_so_many_rounds_is_each_multiple(every, rounds, burn_in):
    pace, schedule = SubPopulation(every_rounds=every), Schedule(rounds * 10, 10, burn_in)
    found = rounds_of(pace, schedule)
    assert [*found] == [n for n in range(1, rounds) if n % every == 0 and schedule.decides(n)]
    assert num_rounds_of(pace, schedule) == len(found)


@given(
    paces=st.lists(
        st.one_of(
            st.integers(1, 9).map(SubPopulation), st.integers(0, 50).map(lambda p: SubPopulation(None, p))
        ),
        min_size=1,
        max_size=8,
    ),
    numbers=st.sets(st.integers(1, 60), min_size=1),
)
def test_a_due_round_that_was_skipped_is_made_up_by_the_next_one_that_is_recorded(paces, numbers):
    """Whatever rounds are recorded: each part decides in the first one that isn't before it is due."""
    schedule, newest = Schedule(610, 10), None
    decided = [[0] for _ in paces]
    for number in sorted(numbers):
        plan = planned(newest, paces, schedule)
        turns = [Turn(since=t.since, due=t.due, decides=number >= t.due) for t in plan]
        for pace, turn, before in zip(paces, turns, decided, strict=True):
            assert turn.since == before[-1]
            assert turn.due == pace.following(before[-1], schedule)
            if turn.decides:
                before.append(number)
        newest = Round(number=number, step=number * 10, spec=1, entries=[], sub_populations=turns)


def test_a_part_without_its_quorum_stays_due():
    before = Round(
        number=3,
        step=30,
        spec=1,
        entries=[],
        sub_populations=[Turn(since=2, due=3), Turn(since=2, due=3, decides=True)],
    )
    late, done = planned(before, [FAST, FAST], LONG)
    assert (late.since, late.due) == (2, 3)
    assert (done.since, done.due) == (3, 4)


def test_a_small_part_is_merged_into_the_next_slower_one():
    turns = [Turn(since=0, due=9), Turn(since=0, due=1), Turn(since=0, due=4)]  # spans 9, 1 and 4
    assert [turn.into for turn in merged(turns, [4, 3, 4], number=1)] == [UNSET, 2, UNSET]
    assert [turn.into for turn in merged(turns, [4, 4, 3], number=1)] == [UNSET, UNSET, 0]


def test_the_slowest_goes_into_the_next_faster_one_and_the_last_one_stays():
    turns = [Turn(since=0, due=9), Turn(since=0, due=1), Turn(since=0, due=4)]
    assert [turn.into for turn in merged(turns, [3, 4, 4], number=1)] == [2, UNSET, UNSET]
    alone = merged(turns, [1, 1, 1], number=1)
    assert sum(turn.into is UNSET for turn in alone) == 1


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    spans=st.lists(st.integers(1, 30), min_size=8, max_size=8),
)
def test_after_merges_each_part_has_enough_members_or_is_the_only_one(sizes, spans):
    turns = [Turn(since=0, due=spans[each]) for each in range(len(sizes))]
    found = merged(turns, sizes, number=1)
    left = [0] * len(sizes)
    for number, size in enumerate(sizes):
        birth = Birth(
            member=0, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, sub_population=number, reason=""
        )
        left[belongs(birth, found)] += size
    alive = [each for each, turn in enumerate(found) if turn.into is UNSET]
    assert sum(left[each] for each in alive) == sum(sizes)
    assert len(alive) == 1 or all(left[each] >= 4 for each in alive)
    assert merged(found, left, number=1) == found


def test_a_newcomer_joins_the_smallest_that_is_left():
    turns = [Turn(since=0, due=1, into=1), Turn(since=0, due=1), Turn(since=0, due=1)]
    assert smallest([0, 5, 4], turns) == 2
    assert smallest([2, 2], []) == 0


def test_only_the_part_that_is_due_loses_members_and_only_from_its_own():
    spec = make_spec(hyperparameters=number_space(), sub_populations=(FAST, SLOW))
    scores = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6]
    turns = [Turn(since=1, due=2, decides=True), Turn(since=0, due=9)]
    (lost, migrated) = choose(spec.view(2, entries_of(scores, 2)), spec=spec, turns=turns).decisions
    assert (lost.member, lost.source.member, lost.migrated) == (0, 6, UNSET)
    # Of the slow part the best comes with its hyperparameters.
    assert taken(migrated) == [1, 1, False]
    assert migrated.member == 2
    assert span(turns[1], 2) > span(turns[0], 2)


def test_weights_of_a_faster_part_come_without_its_hyperparameters():
    spec = make_spec(hyperparameters=number_space(), sub_populations=(FAST, SLOW))
    scores = [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4]
    turns = [Turn(since=1, due=2), Turn(since=0, due=2, decides=True)]
    decisions = {
        d.member: d for d in choose(spec.view(2, entries_of(scores, 2)), spec=spec, turns=turns).decisions
    }
    assert taken(decisions[3]) == [0, 7, False], (
        "weights of member 0, hyperparameters of the best of its own part"
    )
    assert decisions[3].operations == {"whose": "kept"}


def test_what_is_never_explored_migrates_with_the_weights_and_what_is_missing_is_drawn():
    space = (
        Hyperparameter("whose", uniform(-9.0, 9.0)),
        Hyperparameter("layers", uniform(-9.0, 9.0), explored=False),
    )
    spec = make_spec(hyperparameters=space, sub_populations=(FAST, SLOW))
    scores = [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4]
    entries = [of_part(m % 2, m, s, whose=float(m), layers=float(-m)) for m, s in enumerate(scores)]
    turns = [Turn(since=1, due=2), Turn(since=0, due=2, decides=True)]
    mixed = {d.member: d for d in choose(spec.view(2, entries), spec=spec, turns=turns).decisions}[3]
    assert mixed.hyperparameters == {"whose": 7.0, "layers": 0.0}
    entries[7] = of_part(1, 7, 0.4, layers=-7.0)
    completed = {d.member: d for d in choose(spec.view(2, entries), spec=spec, turns=turns).decisions}[3]
    assert completed.operations == {"whose": "completed", "layers": "kept"}
    assert -9 <= completed.hyperparameters["whose"] <= 9


def test_who_has_no_finite_score_copies_its_own_part_or_else_any():
    spec = make_spec(hyperparameters=number_space(), sub_populations=(FAST, SLOW))
    turns = [Turn(since=1, due=2, decides=True), Turn(since=0, due=9)]
    own = [0.5, 0.9, None, 0.8, None, 0.7, 0.4, 0.6]
    found = {
        d.member: d.source.member
        for d in choose(spec.view(2, entries_of(own, 2)), spec=spec, turns=turns).decisions
    }
    assert found[2] == 0
    assert found[4] == 0
    none = [None, 0.9, None, 0.8, None, 0.7, None, 0.6]
    decisions = choose(spec.view(2, entries_of(none, 2)), spec=spec, turns=turns).decisions
    assert {d.source.member for d in decisions} == {1}
    assert {d.member for d in decisions} == {0, 2, 4, 6}


@pytest.mark.parametrize("rule", [Truncation(percent=50), BinaryTournament()])
@given(
    scores=st.lists(
        st.one_of(st.none(), st.floats(-1, 1).map(lambda x: round(x, 1))), min_size=8, max_size=24
    ),
    due=st.tuples(st.booleans(), st.booleans()),
)
def test_no_law_is_broken_whatever_the_scores(rule, scores, due):
    spec = make_spec(rule, hyperparameters=number_space(), sub_populations=(FAST, SLOW))
    view = spec.view(2, entries_of(scores, 2))
    turns = [Turn(since=1, due=2, decides=due[0]), Turn(since=0, due=2, decides=due[1])]
    decisions = choose(view, spec=spec, turns=turns).decisions
    assert list(broken_laws(decisions, view=view, spec=spec, turns=turns)) == []
    for decision in decisions:
        assert due[decision.member % 2]


def test_a_straggler_is_judged_within_its_own_part():
    spec = make_spec(hyperparameters=number_space(), sub_populations=(FAST, SLOW))
    entries = entries_of([0.5, 0.1, 0.6, 0.1, 0.7, 0.1, 0.8, 0.1], 2)
    late = of_part(0, 0, 0.2, whose=0.0)

    def judged(turns):
        others = [each for each in entries if each.member]
        return judge(late, recorded=others, newest=others, spec=spec, round_number=2, turns=turns)

    decision = judged([Turn(since=1, due=2, decides=True), Turn(since=0, due=9)])
    assert decision is not None
    assert decision.source.member % 2 == 0
    assert judged([Turn(since=1, due=3), Turn(since=0, due=2, decides=True)]) is None


def test_a_record_that_merges_in_a_circle_ends():
    turns = [Turn(since=0, due=1, into=1), Turn(since=0, due=1, into=0)]
    birth = Birth(member=5, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="")
    assert belongs(birth, turns) in {0, 1}
