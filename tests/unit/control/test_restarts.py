"""What follows from a pod's end: a choice from what is known, without a store or pods."""

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Cause, Claim
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.restarts import (
    LONGEST_BACKOFF_SECONDS,
    backoff_seconds,
    birth_after,
    blameless_event,
    crash_event,
    crash_of,
    wait_seconds,
    was_in_force,
)
from pbt_operator.core.crash_words import fault_of, is_mistake
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec({**DETERMINISTIC, "backoffLimit": 4}))


def ended(**changes) -> End:
    fields = {"exit_code": 1, "message": "KeyError: 'lr'", **changes}
    return End(pod="u", member=3, incarnation=2, **fields)


def birth(**changes) -> Birth:
    fields = {"incarnation": 2, "cause": Cause.RESUME, "start_step": 40, **changes}
    return Birth(member=3, hyperparameters={"rate": 0.1, "depth": 2}, reason="a test", **fields)


def claim(uid: str) -> Claim:
    return Claim(member=3, incarnation=2, pod=uid, nonce="n")


@pytest.mark.parametrize(
    ("label", "claimed", "in_force"),
    [
        (2, claim("u"), True),
        (1, claim("u"), True),  # it took over in place, and its label hasn't followed
        (2, claim("other"), False),
        (2, None, True),  # it ended before it claimed the birth
        (1, None, False),
    ],
)
def test_an_end_concerns_the_newest_birth_only_if_its_process_lived_it(label, claimed, in_force):
    pod = Pod(name="p", uid="u", member=3, incarnation=label, phase=Phase.ENDED)
    assert was_in_force(pod, birth(), claimed) is in_force


@pytest.mark.parametrize(
    "changes",
    [
        {"stopped": True},
        {"disrupted": True},
        {"exit_code": ExitCode.UNCLAIMED},
        {"exit_code": ExitCode.STORAGE},
    ],
)
def test_who_was_stopped_or_had_no_store_is_not_to_blame(changes):
    assert fault_of(ended(**changes), has_record=False) is None


@pytest.mark.parametrize(
    ("changes", "known", "fault"),
    [
        ({}, {}, "ended with exit code 1: KeyError: 'lr'"),
        ({"exit_code": None}, {}, "ended without an exit code: KeyError: 'lr'"),
        ({"exit_code": 0}, {}, "ended by itself before the last step, without a record: KeyError: 'lr'"),
        ({"exit_code": 0}, {"has_record": True}, None),
        ({"stopped": True, "hung": True, "message": ""}, {}, "made no record within progressDeadlineSeconds"),
    ],
)
def test_other_ends_are_crashes(changes, known, fault):
    assert fault_of(ended(**changes), **{"has_record": False, **known}) == fault


def test_a_mistake_closes_the_member_at_once_with_what_the_script_said():
    history, mistaken = History(), birth()
    history.add_birth(mistaken)
    end = ended(exit_code=ExitCode.MISTAKE, message="UsageError: step 4 was due")
    fault = fault_of(end, has_record=True)
    assert fault == "said that the script or the manifest is mistaken: UsageError: step 4 was due"
    crash = crash_of(mistaken, fault, has_record=True, spec=SPEC, hopeless=is_mistake(end))
    after = birth_after(crash, history=history, spec=SPEC)
    assert (after.cause, after.reason) == (Cause.FAILED, fault)
    event = crash_event(crash, after)
    assert (event.reason, event.message) == ("MemberFailed", f"member 3 failed for good: {fault}")


@pytest.mark.parametrize(("exit_code", "hung"), [(1, False), (ExitCode.STORAGE, False), (83, True)])
def test_any_other_end_is_worth_another_try(exit_code, hung):
    assert not is_mistake(ended(exit_code=exit_code, hung=hung))


@pytest.mark.parametrize(
    ("before", "has_record", "count", "replaces", "fails"),
    [
        (0, False, 1, False, False),
        (2, False, 3, True, False),
        (4, False, 5, False, True),
        (4, True, 1, False, False),
    ],
)
def test_crashes_are_counted_until_a_record_comes(before, has_record, count, replaces, fails):
    crash = crash_of(birth(crashes=before), "died", has_record=has_record, spec=SPEC)
    assert (crash.count, crash.replaces, crash.fails) == (count, replaces, fails)


def test_a_crash_resumes_where_the_life_began_if_it_recorded_nothing():
    history, crashed = History(), birth(crashes=1)
    history.add_birth(crashed)
    crash = crash_of(crashed, "died", has_record=False, spec=SPEC)
    after = birth_after(crash, history=history, spec=SPEC)
    assert (after.incarnation, after.cause, after.start_step, after.crashes) == (3, Cause.CRASH, 40, 2)
    assert after.reason == "crash 2 in a row without a record: died"
    event = crash_event(crash, after)
    assert (event.reason, event.warning) == ("Crashed", True)
    assert event.message == f"member 3 crashed and goes on at step 40: {after.reason}"


def test_one_crash_too_many_closes_the_member():
    history, crashed = History(), birth(crashes=4)
    history.add_birth(crashed)
    crash = crash_of(crashed, "died", has_record=False, spec=SPEC)
    after = birth_after(crash, history=history, spec=SPEC)
    assert (after.incarnation, after.cause) == (3, Cause.FAILED)
    assert crash_event(crash, after).message == (
        "member 3 failed for good: crash 5 in a row without a record, above backoffLimit 4: died"
    )


def test_without_a_donor_a_member_that_crashes_again_and_again_resumes():
    history, crashed = History(), birth(crashes=2)
    history.add_birth(crashed)
    after = birth_after(crash_of(crashed, "died", has_record=False, spec=SPEC), history=history, spec=SPEC)
    assert after.cause is Cause.CRASH


def test_each_crash_in_a_row_waits_twice_as_long_up_to_a_minute():
    assert [backoff_seconds(count) for count in range(1, 6)] == [0, 1, 2, 4, 8]
    assert backoff_seconds(50) == LONGEST_BACKOFF_SECONDS


def test_who_gave_up_on_the_store_waits_and_who_was_evicted_does_not():
    gave_up, evicted = ended(exit_code=ExitCode.STORAGE), ended(disrupted=True, message="Evicted")
    assert wait_seconds(gave_up, None) == LONGEST_BACKOFF_SECONDS / 4
    assert wait_seconds(evicted, None) is None
    told = [event.reason for end in (gave_up, evicted) if (event := blameless_event(end, "p"))]
    assert told == ["StoreGivenUp", "Disrupted"]
    assert blameless_event(ended(stopped=True), "p") is None
