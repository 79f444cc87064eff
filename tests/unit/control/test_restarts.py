"""Which ends concern a birth, whose fault they are, and what is told of them."""

import pytest

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Cause, Claim
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.restarts import blameless_event, crash_event, was_in_force
from pbt_operator.core.births import Counters
from pbt_operator.core.blame import Crash, Setting
from pbt_operator.core.crash_words import fault_of, is_mistake, is_unable
from pbt_operator.core.end_record import End

LATER = Setting(anyone_reported=True, is_bad_node=False)


def ended(**changes) -> End:
    fields = {"exit_code": 1, "message": "KeyError: 'lr'", **changes}
    return End(pod="u", member=3, incarnation=2, **fields)


def birth(**changes) -> Birth:
    fields = {"incarnation": 2, "cause": Cause.RESUME, "start_step": 40, "reason": "a test", **changes}
    return Birth(member=3, hyperparameters={"rate": 0.1, "depth": 2}, **fields)


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


@pytest.mark.parametrize(("exit_code", "hung"), [(1, False), (ExitCode.STORAGE, False), (83, True)])
def test_any_other_end_is_no_mistake(exit_code, hung):
    assert not is_mistake(ended(exit_code=exit_code, hung=hung))


STATED = (
    'File "train.py", line 4, in main | run.track(model=model) | pbt_contract.errors.StateError: model: no'
)


@pytest.mark.parametrize(
    ("exit_code", "message", "mistaken"),
    [
        (1, STATED, True),
        (1, f"{STATED} | which goes on here", True),
        (1, "UsageError: of another library", False),
        (1, STATED.replace("| pbt_contract", "| told of pbt_contract"), False),
        (137, STATED, False),
    ],
)
def test_a_mistake_is_known_by_its_name_where_the_starter_ends_with_a_code_of_its_own(
    exit_code, message, mistaken
):
    assert is_mistake(ended(exit_code=exit_code, message=message)) is mistaken


@pytest.mark.parametrize(
    ("exit_code", "message", "unable"),
    [
        (127, "", True),
        (126, "", True),
        (2, "python: can't open file '/x/train.py': [Errno 2] No such file or directory", True),
        (1, "import torch | ModuleNotFoundError: No module named 'torch'", True),
        (1, "ModuleNotFoundError: No module named 'torch' | and then something else", False),
        (1, "OSError: the loader can't find ModuleNotFoundError: ", False),
        (0, "ModuleNotFoundError: No module named 'torch'", False),
        (137, "", False),
    ],
)
def test_who_could_not_begin_is_known_by_its_code_or_its_last_line(exit_code, message, unable):
    assert is_unable(ended(exit_code=exit_code, message=message)) is unable
    assert not is_unable(ended(exit_code=exit_code, message=message, stopped=True))


def test_a_crash_is_told_with_where_its_member_goes_on():
    crash = Crash(ended(), birth(), None, "died", Counters(2, 0), limit=4)
    told = crash_event(crash, birth(start_step=40, reason=crash.reason), LATER)
    assert (told.reason, told.warning) == ("Crashed", True)
    assert told.message == "member 3 crashed and goes on at step 40: crash 2 in a row without a record: died"


def test_one_crash_too_many_is_told_as_the_failure_of_its_member():
    crash = Crash(ended(), birth(), None, "died", Counters(5, 0), limit=4)
    assert crash_event(crash, birth(cause=Cause.FAILED), LATER).message == (
        "member 3 failed: crash 5 in a row without a record, above backoffLimit 4: died"
    )


def test_who_gave_up_on_the_store_or_was_evicted_is_told_of():
    gave_up, evicted = ended(exit_code=ExitCode.STORAGE), ended(disrupted=True, message="Evicted")
    told = [event.reason for end in (gave_up, evicted) if (event := blameless_event(end, "p"))]
    assert told == ["StoreGivenUp", "Disrupted"]
    assert blameless_event(ended(stopped=True), "p") is None
