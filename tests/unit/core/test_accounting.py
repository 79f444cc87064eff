"""The ledger's totals are a recount of all births and records by the history's own rule, in any order of learning."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fixtures.lives import born, lines
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.accounting import Ledger, Span
from pbt_operator.core.history import History

MEMBERS = 3


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
    records = [record for _, line in told for record in line]
    # What is known twice is learnt twice: after a restart, and by two ways.
    learnt = [*births, *records, *chance.sample(births, k=len(births) // 2), *records[::2]]
    chance.shuffle(learnt)
    ledger = Ledger()
    for item in learnt:
        if isinstance(item, Birth):
            ledger.add_birth(item)
        else:
            ledger.add_record(item.member, item.incarnation, item.step)
    wanted = recount(births, records)
    found = {
        (member, incarnation): span
        for member in range(MEMBERS)
        for incarnation, span in ledger.spans(member).items()
    }
    assert found == wanted
    assert ledger.productive == sum(span.counted - span.start for span in wanted.values())
    assert ledger.discarded == sum(span.reached - span.counted for span in wanted.values())
    assert ledger.num_births == sum(not birth.cause.closes for birth in births)
    assert ledger.num_exploits == sum(birth.cause in {Cause.EXPLOIT, Cause.ROLLBACK} for birth in births)


def test_what_a_loser_did_past_its_round_is_discarded():
    ledger = Ledger()
    ledger.add_birth(born(0, 1, Cause.INITIAL, 0, 0))
    ledger.add_record(0, 1, 30)
    assert (ledger.productive, ledger.discarded) == (30, 0)
    ledger.add_birth(born(0, 2, Cause.EXPLOIT, 20, 20))
    ledger.add_record(0, 2, 50)
    assert (ledger.productive, ledger.discarded) == (20 + 30, 10)
    assert ledger.num_exploits == 1
