"""The ledger's totals are a recount of all births and records by the history's own rule, in any order of learning."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.accounting import Ledger, Span
from pbt_operator.core.history import History

INTERVAL = 10
MEMBERS = 3
BEGINNINGS = [Cause.EXPLOIT, Cause.ROLLBACK, Cause.REPLACE, Cause.SCALE]


def born(member: int, incarnation: int, cause: Cause, start: int, previous: int) -> Birth:
    return Birth(
        member=member,
        incarnation=incarnation,
        cause=cause,
        hyperparameters={},
        start_step=start,
        previous_step=previous,
        reason="because",
    )


def recorded(member: int, incarnation: int, step: int) -> Report:
    return Report(
        member=member,
        incarnation=incarnation,
        step=step,
        round=None if step % INTERVAL else step // INTERVAL,
        metrics={},
        hyperparameters={},
        checkpoint=keys.checkpoint(member, incarnation, step, "n"),
        files=[],
    )


@st.composite
def lines(draw, member: int) -> tuple[list[Birth], list[Report]]:
    """The lives of one member as an operator would order them; a straggler may be thrown back to any report before."""
    births = [born(member, 1, Cause.INITIAL, 0, 0)]
    records: list[Report] = []
    for incarnation in range(1, draw(st.integers(1, 7)) + 1):
        start = births[-1].start_step
        steps = sorted(draw(st.sets(st.integers(start + 1, start + 45), max_size=5)))
        own = [recorded(member, incarnation, step) for step in steps]
        records += own
        cause = draw(st.sampled_from([Cause.RESUME, Cause.CRASH, *BEGINNINGS]))
        reached = steps[-1] if steps else start
        if cause.resumes:
            births.append(born(member, incarnation + 1, cause, reached, reached))
            continue
        # A round that the line has reported: it may be long ago, in an incarnation before.
        line = [birth.incarnation for birth in _line(births)]
        judged = [r.step for r in records if r.incarnation in line] or [start]
        births.append(
            born(member, incarnation + 1, cause, draw(st.integers(0, 90)), draw(st.sampled_from(judged)))
        )
    if draw(st.booleans()):
        last = births[-1].start_step
        closing = draw(st.sampled_from([Cause.FAILED, Cause.REMOVED]))
        births.append(born(member, births[-1].incarnation + 1, closing, last, last))
    return births, records


def _line(births: list[Birth]) -> list[Birth]:
    found = []
    for birth in reversed(births):
        found.append(birth)
        if not birth.cause.resumes:
            break
    return found


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
