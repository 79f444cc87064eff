"""The ledger's totals are a recount of all births and records by the history's own rule, in any order of learning."""

from dataclasses import astuple
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.lives import born, lines, recorded
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.accounting import Ledger, Spent
from pbt_operator.core.history import History
from pbt_operator.core.tally import Span

MEMBERS = 3


def timed(record: Report, chance: Random) -> Report:
    """The record with some time behind it."""
    return replace(
        record,
        seconds=chance.randrange(9000) / 1000,
        waited=chance.choice([UNSET, 1.5]),
        starting=chance.choice([UNSET, 20.0]),
    )


def recount(births: list[Birth], records: list[Report]) -> dict[tuple[int, int], Span]:
    """By life, from what it started, how far it came, and how far it counts."""
    history = History(kept_per_member=10**6)
    for birth in births:
        history.add_birth(birth)
    for record in records:
        history.add_record(record)
    found = {}
    for birth in births:
        life = (birth.member, birth.incarnation)
        own = [record for record in records if (record.member, record.incarnation) == life]
        reached = max((record.step for record in own), default=birth.start_step)
        counted = max((record.step for record in own if history.counts(record)), default=birth.start_step)
        found[life] = Span(start=birth.start_step, counted=counted, reached=reached)
    return found


@given(st.tuples(*(lines(member) for member in range(MEMBERS))), st.randoms(use_true_random=False))
def test_the_totals_are_a_recount_of_everything_in_any_order(told, chance: Random):
    births = [birth for line, _ in told for birth in line]
    records = [timed(record, chance) for _, line in told for record in line]
    # What is known twice is learnt twice: after a restart, and by two ways.
    learnt = [*births, *records, *chance.sample(births, k=len(births) // 2), *records[::2]]
    chance.shuffle(learnt)
    ledger = Ledger()
    for item in learnt:
        if isinstance(item, Birth):
            ledger.add_birth(item)
        else:
            ledger.add_record(item)
    wanted = recount(births, records)
    found = {
        (member, incarnation): span
        for member in range(MEMBERS)
        for incarnation, span in ledger.spans(member).items()
    }
    assert found == wanted
    assert ledger.productive == sum(span.counted - span.start for span in wanted.values())
    assert ledger.discarded == sum(span.reached - span.counted for span in wanted.values())
    history = History(kept_per_member=10**6)
    for birth in births:
        history.add_birth(birth)
    kept = sum(record.seconds for record in records if history.counts(record))
    spent = Spent(
        productive=kept,
        discarded=sum(record.seconds for record in records) - kept,
        waiting=sum(record.waited or 0.0 for record in records),
        starting=sum(record.starting or 0.0 for record in records),
    )
    assert astuple(ledger.spent) == pytest.approx(astuple(spent), abs=1e-6)
    assert ledger.num_births == sum(not birth.cause.closes for birth in births)
    assert ledger.num_exploits == sum(birth.cause in {Cause.EXPLOIT, Cause.ROLLBACK} for birth in births)


def test_what_a_loser_did_past_its_round_is_discarded():
    ledger = Ledger()
    ledger.add_birth(born(0, 1, Cause.INITIAL, 0, 0))
    ledger.add_record(replace(recorded(0, 1, 20), seconds=4.0, starting=7.0))
    ledger.add_record(replace(recorded(0, 1, 30), seconds=2.0, waited=1.0))
    assert (ledger.productive, ledger.discarded) == (30, 0)
    ledger.add_birth(born(0, 2, Cause.EXPLOIT, 20, 20))
    ledger.add_record(replace(recorded(0, 2, 50), seconds=8.0))
    assert (ledger.productive, ledger.discarded) == (20 + 30, 10)
    assert ledger.spent == Spent(productive=4.0 + 8.0, discarded=2.0, waiting=1.0, starting=7.0)
    assert ledger.num_exploits == 1


def test_names_alone_tell_of_steps_but_not_of_seconds():
    ledger = Ledger()
    ledger.add_birth(born(0, 1, Cause.INITIAL, 0, 0))
    ledger.add_name(Life(0, 1), 30)
    assert (ledger.productive, ledger.spent) == (30, Spent())
    assert not ledger.has_time(Life(0, 1), 3, 30)
    ledger.add_record(replace(recorded(0, 1, 30), seconds=2.0))
    assert ledger.has_time(Life(0, 1), 3, 30)
    assert not ledger.has_time(Life(0, 1), None, 30)
    assert (ledger.productive, ledger.spent.productive) == (30, 2.0)
