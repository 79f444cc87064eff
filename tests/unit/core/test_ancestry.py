"""How many starts are alive after each round, and when one has taken over early."""

from pbt_contract.keys import Life
from pbt_contract.records import Cause, Source
from pbt_operator.core.ancestry import Diversity, diversity, taken_over
from pbt_operator.core.round_record import Decision, Entry, Round
from pbt_operator.core.search import Schedule

STARTS = {Life(0, 1): Life(0, 1), Life(1, 1): Life(1, 1), Life(2, 1): Life(2, 1), Life(1, 2): Life(0, 1)}


def source(member, incarnation=1, step=10):
    key = f"{member}-{incarnation}"
    return Source(member=member, incarnation=incarnation, step=step, checkpoint=key, record=key)


def entry(member, incarnation=1):
    return Entry(
        member=member,
        incarnation=incarnation,
        score=1.0,
        source=source(member, incarnation),
        hyperparameters={"a": 1.0},
    )


def decision(member, of):
    return Decision(
        member=member,
        incarnation=1,
        cause=Cause.EXPLOIT,
        source=of,
        hyperparameters={"a": 1.0},
        reason="",
    )


def decided(number, entries, *decisions):
    return Round(number=number, step=10 * number, spec=1, entries=entries, decisions=list(decisions))


def test_members_count_by_what_they_go_on_from():
    """Copies by their donor, who is sampled anew as a start of its own, and broken chains not at all."""
    rounds = [
        decided(1, [entry(0), entry(1), entry(2)]),
        decided(2, [entry(0), entry(1), entry(2)], decision(1, source(0))),
        decided(3, [entry(0), entry(1, 2), entry(2)], decision(2, source(1, 2))),
        decided(4, [entry(0), entry(1, 2), entry(2, 2)], decision(1, None)),
        decided(5, [entry(7)]),
    ]
    assert diversity(rounds, STARTS.get) == [
        Diversity(number=1, step=10, members=3, ancestors=3, largest=1),
        Diversity(number=2, step=20, members=3, ancestors=2, largest=2),
        Diversity(number=3, step=30, members=3, ancestors=1, largest=3),
        Diversity(number=4, step=40, members=2, ancestors=2, largest=1),
    ]


def test_one_start_that_took_over_is_told_in_the_first_fifth_only():
    found = [Diversity(1, 10, 8, 3, 4), Diversity(2, 20, 8, 1, 8), Diversity(3, 30, 8, 1, 8)]
    assert taken_over(found, Schedule(total_steps=100, interval_steps=10)) == found[1]
    assert taken_over(found, Schedule(total_steps=99, interval_steps=10)) is None
    assert taken_over([Diversity(1, 10, 1, 1, 1)], Schedule(total_steps=100, interval_steps=10)) is None
    assert taken_over([], Schedule(total_steps=100, interval_steps=10)) is None
