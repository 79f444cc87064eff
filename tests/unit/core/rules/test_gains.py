"""What decided rounds say about hyperparameters."""

import math
from dataclasses import replace as changed

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.hypothesis_strategies import (
    INTERVAL,
    entry,
    hyperparameters,
    make_spec,
    round_of,
    source_of,
    values_of,
)
from pbt_contract.records import Cause
from pbt_operator.core.round_record import Crashed, Decision, Round
from pbt_operator.core.rules import Bandit
from pbt_operator.core.rules.gains import MOST_GAINS, gains, standardised

SPEC = make_spec(explore=Bandit(), members=4)
SPACE = hyperparameters()


def decided(number, *scores, decisions=(), crashed=UNSET):
    return Round(
        number=number,
        step=number * INTERVAL,
        spec=1,
        entries=round_of(*scores, step=number * INTERVAL),
        decisions=list(decisions),
        crashed=crashed,
    )


def decision(member, donor, *, number, incarnation=1, **changes):
    fields = {
        "cause": Cause.EXPLOIT,
        "source": source_of(donor, step=number * INTERVAL),
        "hyperparameters": values_of(20 + member),
        "reason": "lost",
    }
    return Decision(member=member, incarnation=incarnation, **fields | changes)


def newborn(member, score, *, number, incarnation=2):
    born = entry(member, score, step=number * INTERVAL)
    return replace(born, incarnation=incarnation, hyperparameters=values_of(20 + member))


def told(entries, *earlier, spec=SPEC, crashed=UNSET, space=SPACE):
    return gains(spec.view(earlier[-1].number + 1, entries, earlier, crashed=crashed), space)


def sizes(found):
    """By the member whose values they are."""
    return {gain.values["batch"] - 8: gain.size for gain in found}


def test_a_gain_is_counted_in_deviations_from_the_mean_of_its_round():
    found = told(round_of(1.0, 2.0, 3.0, 6.0, step=200), decided(1, 0.0, 1.0, 1.0, 3.0))
    assert [gain.number for gain in found] == [2] * 4
    deviation = math.sqrt(0.6875)  # the gains are 1, 1, 2, 3
    assert sizes(found) == pytest.approx(
        {0: -0.75 / deviation, 1: -0.75 / deviation, 2: 0.25 / deviation, 3: 1.25 / deviation}
    )


def test_more_is_better_whatever_the_goal():
    spec = make_spec(explore=Bandit(), members=2, goal="Minimize")
    assert sizes(told(round_of(1.0, 2.0, step=200), decided(1, 3.0, 3.0), spec=spec)) == {0: 1, 1: -1}


def test_a_newborn_gains_from_what_its_donor_had():
    before = decided(1, 0.0, 5.0, 9.0, decisions=[decision(0, 2, number=1)])
    found = told([newborn(0, 10.0, number=2), *round_of(0.0, 7.0, 9.0, step=200)[1:]], before)
    assert sizes(found) == pytest.approx({20: 0, 1: 1.2247448713915892, 2: -1.2247448713915892})


def test_a_loser_that_had_trained_on_gains_from_its_own_score():
    before = decided(1, 0.0, 5.0, 9.0, decisions=[decision(0, 2, number=1)])
    found = told(round_of(4.0, 7.0, 9.0, step=200), before)
    assert sizes(found)[0] == pytest.approx(1.2247448713915892)


def test_a_resume_is_the_same_life():
    resumed = replace(entry(0, 1.0, step=200), incarnation=3)
    assert sizes(told([resumed, entry(1, 0.0, step=200)], decided(1, 0.0, 0.0))) == {0: 1, 1: -1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (decided(1, 0.0, 0.0), [newborn(0, 1.0, number=2)]),  # since blamed, or brought back: nobody says from where
        (decided(1, 0.0), [entry(1, 1.0, step=200)]),  # it missed the round before
        (decided(1, None, 0.0), [entry(0, 1.0, step=200)]),  # that had no score
        (decided(1, 0.0, 0.0), [replace(entry(0, None, step=200), unscored=True)]),
        (decided(1, 0.0, 5.0, decisions=[decision(0, 1, number=1)]),
         [replace(newborn(0, 1.0, number=2, incarnation=4), hyperparameters=values_of(5))]),
        (decided(1, 0.0, 5.0, decisions=[decision(0, 1, number=1, source=None)]), [newborn(0, 1.0, number=2)]),
        (decided(1, 0.0, 5.0, decisions=[decision(0, 1, number=0)]), [newborn(0, 1.0, number=2)]),
        (decided(1, 0.0), [replace(entry(0, 1.0, step=200), hyperparameters={"lr": 0.1})]),  # somebody edited it
    ],
)  # fmt: skip
def test_a_life_whose_start_is_not_known_tells_nothing(before, after):
    assert [gain for gain in told(after, before) if gain.number == 2] == []


def test_a_gain_that_is_not_finite_tells_nothing():
    assert told([entry(0, 1.7e308, step=200)], decided(1, -1.7e308)) == []


def test_a_life_that_ended_without_a_score_is_worse_than_all_others():
    found = told(round_of(1.0, None, 3.0, step=200), decided(1, 0.0, 0.0, 0.0))
    assert sizes(found) == pytest.approx({0: -1, 2: 1, 1: -2})


def test_what_stays_without_a_score_failed_once():
    found = told(round_of(1.0, None, step=200), decided(1, 0.0, None))
    assert [(gain.number, gain.size) for gain in found] == [(2, 0), (1, -1)]


@pytest.mark.parametrize("blamed", [True, False])
def test_values_with_which_a_member_crashed_count_where_they_were_blamed(blamed):
    crashed = [Crashed(member=0, incarnation=1, hyperparameters=values_of(9), blamed=blamed)]
    found = told(round_of(1.0, 2.0, step=200), decided(1, 1.0, 1.0), crashed=crashed)
    assert sizes(found) == {0: -1, 1: 1, **({9: -2} if blamed else {})}
    now = told(round_of(2.0, 3.0, step=300), decided(1, 1.0, 1.0), decided(2, 1.0, 2.0, crashed=crashed))
    assert [(gain.number, gain.size) for gain in now if gain.values == values_of(9)] == [(2, -2)] * blamed


def test_what_failed_from_the_start_is_known_before_anything_gains():
    """Nearly all that crashes does so then."""
    crashed = [Crashed(member=0, incarnation=1, hyperparameters=values_of(9), blamed=True)]
    first = decided(1, None, 2.0, crashed=crashed)
    found = gains(SPEC.view(1, first.entries, crashed=crashed), SPACE)
    assert sizes(found) == {0: -1, 9: -1}
    born_since = [
        replace(entry(0, None, step=100), incarnation=2),
        replace(entry(1, None, step=100), unscored=True),
    ]
    assert gains(SPEC.view(1, born_since), SPACE) == []
    later = told([newborn(0, 5.0, number=2), entry(1, 3.0, step=200)], first)
    assert sizes(later) == {1: 0, 0: -1, 9: -1}


def test_the_newest_come_first_and_no_more_than_there_is_room_for():
    spec = make_spec(explore=Bandit(), members=100)
    rounds = [decided(number, *(float(number * m) for m in range(100))) for number in (1, 2)]
    entries = round_of(*(float(3 * m) for m in range(100)), step=300)
    lr = SPACE[:1]
    found = told(entries, *rounds, spec=spec, space=lr)
    assert len(found) == MOST_GAINS
    assert [gain.number for gain in found] == [3] * 100 + [2] * 28
    assert found == told(entries, *rounds, spec=spec, space=lr)
    other = told(entries, *rounds, spec=changed(spec, seed=8), space=lr)
    assert found[:100] == other[:100]
    assert found[100:] != other[100:]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], []),
        ([3.0], [0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([0.1, 0.1, 0.1 + 1e-16], [0.0, 0.0, 0.0]),
        ([1e308, -1e308], [1.0, -1.0]),
        ([0.0] * 9 + [1.0], [-1 / 3] * 9 + [2.0]),  # three deviations
    ],
)
def test_standardised(raw, expected):
    assert standardised(raw) == pytest.approx(expected)


def test_a_crash_that_two_rounds_tell_of_counts_once():
    """Of two operators at once, each decided a round before it had heard of the other's."""
    one = Crashed(member=3, incarnation=1, hyperparameters=values_of(9), blamed=True)
    found = told(
        round_of(1.0, 3.0, step=300),
        decided(1, 0.0, 0.0),
        decided(2, 0.0, 1.0, crashed=[one]),
        crashed=[one],
    )
    assert [gain.number for gain in found if gain.values == values_of(9)] == [3]
