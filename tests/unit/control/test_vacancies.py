"""Who waits for a slot, and with which birth a member goes on: choices from what is known, without a store or pods."""

from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.control.sharing import waiters, yield_event
from pbt_operator.control.vacancies import next_birth
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Entry, Round
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec(DETERMINISTIC, members=4))
INTERVAL, TOTAL = SPEC.schedule.interval_steps, SPEC.schedule.total_steps
VALUES = {"rate": 0.01, "depth": 2}


def history_of(*births: Birth, reports: tuple[Report, ...] = ()) -> History:
    history = History()
    for birth in births:
        history.add_birth(birth)
    for report in reports:
        history.add_record(report)
    return history


def birth(member: int, incarnation: int = 1, cause: Cause = Cause.INITIAL) -> Birth:
    return Birth(member=member, incarnation=incarnation, cause=cause, hyperparameters=VALUES, reason="a test")


def report(member: int, step: int) -> Report:
    return Report(
        member=member,
        incarnation=1,
        step=step,
        round=step // INTERVAL,
        metrics={"score": 1.0},
        hyperparameters=VALUES,
        checkpoint=f"checkpoints/{member:05}-000001/{step:012}-x/",
        files=[],
        seconds=1.0,
    )


def test_an_unclaimed_birth_stands():
    history = history_of(birth(0))
    assert next_birth(history, SPEC, 0, claimed=False) is history.newest_birth(0)


def test_a_claimed_birth_is_over_and_the_member_resumes_from_its_newest_record():
    history = history_of(birth(0), reports=(report(0, INTERVAL), report(0, 2 * INTERVAL)))
    found = next_birth(history, SPEC, 0, claimed=True)
    assert found is not None
    assert (found.incarnation, found.cause, found.start_step) == (2, Cause.RESUME, 2 * INTERVAL)
    assert found.reason == "goes on after its process ended"


def test_a_member_that_is_closed_or_finished_needs_no_birth():
    assert next_birth(history_of(birth(0, 1, Cause.FAILED)), SPEC, 0, claimed=False) is None
    done = history_of(birth(0), reports=(report(0, TOTAL),))
    assert next_birth(done, SPEC, 0, claimed=True) is None


def test_a_new_slot_and_one_that_came_back_are_sampled_where_there_is_no_donor():
    new = next_birth(history_of(), SPEC, 3, claimed=False)
    back = next_birth(history_of(birth(3), birth(3, 2, Cause.REMOVED)), SPEC, 3, claimed=False)
    assert new is not None
    assert back is not None
    assert [(found.incarnation, found.cause) for found in (new, back)] == [(1, Cause.SCALE), (3, Cause.SCALE)]


def test_where_nobody_copies_a_new_member_is_drawn_and_one_that_returns_continues():
    """A random search that grows stays one: a copy of the best would take part with weights that aren't its own."""
    alone = to_core(spec(DETERMINISTIC, members=4, exploit={"none": {}}))
    entry = Entry(
        member=0,
        incarnation=1,
        score=1.0,
        values=[1.0],
        source=report(0, INTERVAL).source,
        hyperparameters=VALUES,
    )
    decided = Round(number=1, step=INTERVAL, spec=1, entries=[entry])
    removed = replace(birth(2, 2, Cause.REMOVED), start_step=INTERVAL, previous_step=INTERVAL)
    history = history_of(birth(0), birth(2), removed, reports=(report(0, INTERVAL), report(2, INTERVAL)))
    history.add_round(decided)
    new, back = (next_birth(history, alone, member, claimed=False) for member in (3, 2))
    assert new is not None
    assert (new.source, new.start_step, new.seed_round) == (None, 0, 1)
    assert new.hyperparameters != VALUES
    assert back is not None
    assert (back.source, back.hyperparameters) == (report(2, INTERVAL).source, VALUES)
    copied = next_birth(history, SPEC, 3, claimed=False)
    assert copied is not None
    assert copied.source == report(0, INTERVAL).source


def test_who_waits_for_a_slot():
    history = history_of(
        birth(0),
        birth(1, 1, Cause.FAILED),
        birth(2),
        birth(3),
        reports=(report(2, TOTAL), report(3, INTERVAL)),
    )

    def waiting(now: float = 0.0, taken: tuple[int, ...] = ()) -> list[tuple[int, int]]:
        found = waiters(history, SPEC, taken=taken, not_before={0: 5.0}, now=now)
        return [(waiter.member, waiter.position) for waiter in found]

    assert waiting() == [(3, INTERVAL)]  # one failed, one is finished, one has to wait after a crash
    assert waiting(now=5.0) == [(0, 0), (3, INTERVAL)]
    assert waiting(now=5.0, taken=(3,)) == [(0, 0)]


def test_a_yield_is_told_with_its_heir():
    assert yield_event(2, None, position=60).message == "member 2 is ahead at step 60 and yields its slot"
    assert yield_event(2, Life(0, 3), position=60).message.endswith(" to member 0, in place")
