"""Whether the script is to blame for a population in which nobody has reported."""

from dataclasses import replace

import pytest

from fixtures.lives import recorded
from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Cause
from pbt_operator.core import scaling
from pbt_operator.core.blame import Setting, after_crash, crash_of
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.mistakes import mistake_of
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec({**DETERMINISTIC, "members": 4}))
NOBODY = Setting(anyone_reported=False, is_bad_node=False)
WORDS = "run.report({}) | UsageError: a report lacks 'score'"


def history(asked=SPEC) -> History:
    found = History()
    for birth in scaling.first_births(found, asked):
        found.add_birth(birth)
    return found


def crash(known: History, member: int, asked=SPEC, **changes) -> None:
    newest = known.newest_birth(member)
    fields = {"exit_code": 1, "message": "ValueError: no data", **changes}
    end = End(member=member, incarnation=newest.incarnation, pod="p", **fields)
    known.ends.add(end)
    found = crash_of(end, known, asked)
    if found is not None:
        known.add_birth(after_crash(found, known, asked, NOBODY))


def told(known: History, asked=SPEC, running=(), logs=None) -> str | None:
    outcome = mistake_of(known, asked, running=running, logs=logs or {})
    return None if outcome is None else f"{outcome.reason}: {outcome.message}"


def test_the_second_member_that_says_so_ends_it_with_its_words_once_and_the_way_to_its_log():
    known = history()
    crash(known, 2, exit_code=83, message=WORDS)
    assert told(known, running={0, 1, 3}) is None
    crash(known, 0, exit_code=83, message=WORDS)
    assert told(known, running={1, 3}, logs={0: "runs/a/logs/00000.log"}) == (
        "Mistake: members 0, 2 said that the script or the manifest is mistaken, and nobody has reported: "
        f"{WORDS}; all that member 0 printed: runs/a/logs/00000.log"
    )


def test_one_member_alone_is_believed_where_there_is_no_other():
    alone = replace(SPEC, members=1)
    known = history(alone)
    crash(known, 0, alone, exit_code=83)
    assert told(known, alone) is not None


def test_with_one_report_it_is_the_script_no_more_but_with_what_a_stopped_trainer_saved():
    known = history()
    crash(known, 2, exit_code=83)
    crash(known, 0, exit_code=83)
    known.add_record(recorded(1, 1, 2))
    assert "said that the script or the manifest is mistaken" in (told(known) or "")
    known.add_record(recorded(1, 1, 10))
    assert told(known) is None


def test_equal_last_words_of_all_end_it_when_each_has_ended_twice_and_none_runs():
    known = history()
    for _ in range(2):
        assert told(known) is None
        for member in range(4):
            crash(known, member, message=f"member {member} of 4 | ValueError: no data")
    assert told(known, running={1}) is None
    assert "ended with the same words again and again" in (told(known) or "")


@pytest.mark.parametrize(
    "changes",
    [{"message": "ValueError: other data"}, {"disrupted": True}, {"message": ""}, {"stopped": True}],
)
def test_who_ended_otherwise_is_no_witness(changes):
    known = history()
    for member in (0, 0, 1, 1, 2, 2, 3):
        crash(known, member)
    crash(known, 3, **changes)
    assert told(known) is None


def test_few_members_are_asked_more_often_for_they_may_have_drawn_the_same_region():
    two = replace(SPEC, members=2)
    known = history(two)
    for crashes in range(4):
        assert told(known, two) is None, crashes
        crash(known, 0, two), crash(known, 1, two)
    assert told(known, two) is not None


def test_what_was_before_a_new_try_doesnt_count():
    known = history()
    for member in (0, 1):
        crash(known, member, exit_code=83)
        newest = known.newest_birth(member)
        known.add_birth(
            type(newest)(
                member=member,
                incarnation=newest.incarnation + 1,
                cause=Cause.SCALE,
                hyperparameters=newest.hyperparameters,
                reason="tries again",
            )
        )
    assert told(known) is None
