"""Who gets a slot and who yields: laws over arbitrary situations."""

from hypothesis import given
from hypothesis import strategies as st

from pbt_operator.core.slots import Handover, Holder, Waiter, allot

INTERVAL = 10
steps = st.integers(0, 20).map(lambda n: n * 5)


@st.composite
def situations(draw):
    members = draw(st.permutations(range(10)))
    split = draw(st.integers(0, 10))
    bound = draw(st.integers(0, 12)) * INTERVAL
    holders = [
        Holder(
            member=m,
            position=(position := draw(steps)),
            reported=draw(st.booleans()),
            waits=position >= bound,
            leaving=draw(st.booleans()),
        )
        for m in members[:split]
    ]
    waiters = [
        Waiter(member=m, position=(position := draw(steps)), waits=position >= bound) for m in members[split:]
    ]
    return {"slots": draw(st.integers(1, 10)), "holders": holders, "waiters": waiters}


def decide(situation):
    return allot(**situation, interval_steps=INTERVAL)


@given(situations())
def test_starts_fit_into_the_slots(situation):
    allotment = decide(situation)
    if allotment.start:
        assert len(situation["holders"]) + len(allotment.start) <= situation["slots"]


@given(situations())
def test_the_member_with_the_least_progress_starts_first(situation):
    allotment = decide(situation)
    positions = {waiter.member: waiter.position for waiter in situation["waiters"]}
    started = [positions.pop(member) for member in allotment.start]
    assert not started or not positions or max(started) <= min(positions.values())


def test_a_free_slot_goes_to_who_has_no_pod_yet():
    """Who has one may have begun to run just now."""
    waiters = [Waiter(0, 0, has_pod=True), Waiter(1, 10), Waiter(2, 20, has_pod=True)]
    assert allot(slots=1, holders=[], waiters=waiters, interval_steps=INTERVAL).start == (1,)
    assert allot(slots=2, holders=[], waiters=waiters, interval_steps=INTERVAL).start == (1, 0)


@given(situations())
def test_no_free_slot_is_left_while_somebody_waits(situation):
    allotment = decide(situation)
    free = situation["slots"] - len(situation["holders"]) - len(allotment.start)
    assert free <= 0 or len(allotment.start) == len(situation["waiters"])


@given(situations())
def test_only_who_has_reported_and_is_ahead_by_an_interval_or_waits_yields_within_the_slots(situation):
    allotment = decide(situation)
    staying = [holder for holder in situation["holders"] if not holder.leaving]
    if len(staying) > situation["slots"]:
        return  # a smaller parallelism: whoever is furthest ahead goes
    holders = {holder.member: holder for holder in staying}
    waiters = {waiter.member: waiter for waiter in situation["waiters"]}
    for handover in allotment.yields:
        holder, waiter = holders[handover.holder], waiters[handover.waiter]
        assert holder.reported
        assert not waiter.waits
        assert holder.position > waiter.position
        assert holder.waits or holder.position >= waiter.position + INTERVAL


@given(situations())
def test_nobody_who_can_train_waits_for_a_slot_of_one_who_can_only_wait(situation):
    """Else two members of which one crashed on the way to its report would block each other for ever."""
    allotment = decide(situation)
    yielding = {handover.holder for handover in allotment.yields}
    served = {handover.waiter for handover in allotment.yields}.union(allotment.start)
    idle = [
        h
        for h in situation["holders"]
        if h.reported and h.waits and not h.leaving and h.member not in yielding
    ]
    hungry = [w for w in situation["waiters"] if not w.waits and w.member not in served]
    leaving = [holder for holder in situation["holders"] if holder.leaving]
    assert not idle or len(hungry) <= len(leaving)


@given(situations())
def test_each_slot_that_is_yielded_goes_to_a_waiter_of_its_own(situation):
    allotment = decide(situation)
    waiting = {waiter.member for waiter in situation["waiters"]}
    whom = [handover.waiter for handover in allotment.yields if handover.waiter is not None]
    assert set(whom) <= waiting - set(allotment.start)
    assert len(set(whom)) == len(whom)
    holders = [handover.holder for handover in allotment.yields]
    assert len(set(holders)) == len(holders)


@given(situations())
def test_nobody_yields_to_nobody(situation):
    allotment = decide({**situation, "waiters": []})
    staying = [holder for holder in situation["holders"] if not holder.leaving]
    assert len(allotment.yields) == max(0, len(staying) - situation["slots"])
    assert all(handover.waiter is None for handover in allotment.yields)


def test_a_turn_lasts_an_interval():
    holders = [Holder(member=0, position=10, reported=True)]
    assert allot(slots=1, holders=holders, waiters=[Waiter(1, 5)], interval_steps=10).yields == ()
    assert allot(slots=1, holders=holders, waiters=[Waiter(1, 0)], interval_steps=10).yields == (
        Handover(0, 1),
    )
    fresh = [Holder(member=0, position=10)]
    assert allot(slots=1, holders=fresh, waiters=[Waiter(1, 0)], interval_steps=10).yields == ()


def test_a_slot_that_will_be_free_is_not_asked_for_twice():
    holders = [Holder(0, 20, reported=True, leaving=True), Holder(1, 20, reported=True)]
    assert allot(slots=2, holders=holders, waiters=[Waiter(2, 0)], interval_steps=10).yields == ()
    two = [Waiter(2, 0), Waiter(3, 0)]
    assert allot(slots=2, holders=holders, waiters=two, interval_steps=10).yields == (Handover(1, 3),)
