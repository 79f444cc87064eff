"""Whose fault crashes are, and the births that follow: a choice from what is known, without a store or pods."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core import scaling
from pbt_operator.core.births import MOST_BLAMED, Counters, decided
from pbt_operator.core.blame import (
    LONGEST_BACKOFF_SECONDS,
    MISTAKE_SECONDS,
    Setting,
    after_crash,
    backoff_seconds,
    crash_of,
    setting_of,
    wait_seconds,
)
from pbt_operator.core.comeback import returned
from pbt_operator.core.crashed import crashed_since
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.quorum import attend, decide
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec({**DETERMINISTIC, "members": 4, "backoffLimit": 6}))
INTERVAL = SPEC.schedule.interval_steps
AT_FIRST = Setting(anyone_reported=False, is_bad_node=False)
LATER = Setting(anyone_reported=True, is_bad_node=False)


class Lives:
    """Members that report, lose and crash; each birth is the one that follows."""

    def __init__(self, asked=SPEC) -> None:
        self.spec, self.history = asked, History()
        for birth in scaling.first_births(self.history, asked):
            self.history.add_birth(birth)

    def newest(self, member: int) -> Birth:
        birth = self.history.newest_birth(member)
        assert birth is not None
        return birth

    def report(self, member: int, step: int, score: float = 0.0) -> None:
        birth = self.newest(member)
        self.history.add_record(
            Report(
                member=member,
                incarnation=birth.incarnation,
                step=step,
                round=step // INTERVAL if step % INTERVAL == 0 else None,
                metrics={"score": score} if step % INTERVAL == 0 else {},
                hyperparameters=birth.hyperparameters,
                checkpoint=f"checkpoints/{member:05}-{birth.incarnation:06}/{step:012}-x/",
                files=[],
                seconds=1.0,
            )
        )

    def round(self, number: int, scores: list[float]) -> None:
        """All report, and the loser is born of the best."""
        for member, score in enumerate(scores):
            self.report(member, number * INTERVAL, score)
        living = set(range(len(scores)))
        attendance = attend(self.history, self.spec, number, living=living)
        found = decide(self.history, self.spec, attendance, spec_number=1)
        self.history.add_round(found)
        for decision in found.decisions:
            birth = decided(decision, round_number=number, at_step=found.step, history=self.history)
            self.history.add_birth(birth)

    def crash(self, member: int, setting: Setting | None = None, **changes) -> Birth:
        newest = self.newest(member)
        end = End(member=member, incarnation=newest.incarnation, pod="p", **{"exit_code": 1, **changes})
        self.history.ends.add(end)
        crash = crash_of(end, self.history, self.spec)
        assert crash is not None
        birth = after_crash(crash, self.history, self.spec, setting or setting_of(end, self.history))
        self.history.add_birth(birth)
        return birth


@pytest.fixture
def lives() -> Lives:
    return Lives()


@pytest.fixture
def loser(lives) -> Lives:
    """Member 0 has lost the first round to another one."""
    lives.round(1, [0.0, 1.0, 2.0, 9.0])
    assert lives.newest(0).cause is Cause.EXPLOIT
    return lives


def test_the_first_crash_of_a_newborn_resumes_it_unchanged(loser):
    newborn = loser.newest(0)
    after = loser.crash(0)
    assert (after.cause, after.hyperparameters, after.source) == (
        Cause.CRASH,
        newborn.hyperparameters,
        newborn.source,
    )
    assert (after.crashes, after.blamed, after.decided) == (1, UNSET, 1)


def test_the_second_in_a_row_goes_back_to_the_donors_values_which_have_run(loser):
    newborn = loser.newest(0)
    loser.crash(0)
    after = loser.crash(0)
    assert (after.cause, after.crashes, after.blamed) == (Cause.REPLACE, 2, 1)
    assert after.hyperparameters == loser.newest(newborn.source.member).hyperparameters
    assert after.hyperparameters != newborn.hyperparameters
    assert (after.source, after.seed_round, after.start_step) == (newborn.source, 1, INTERVAL)


def test_who_never_ran_is_crashed_and_its_values_are_blamed_for_nothing(loser):
    """Whatever comes before it; and crashes after it are counted as if it had not been."""
    newborn = loser.newest(0)
    for number in range(1, 4):
        after = loser.crash(0, LATER, unstarted=True, exit_code=None, message="init container fetch ended")
        assert (after.cause, after.hyperparameters) == (Cause.CRASH, newborn.hyperparameters)
        assert (after.crashes, after.blamed) == (number, UNSET)
    assert "could not start: init container fetch ended" in after.reason
    after = loser.crash(0, LATER)
    assert (after.cause, after.crashes) == (Cause.CRASH, 4)
    after = loser.crash(0, LATER, unstarted=True, exit_code=None)
    assert (after.cause, after.crashes) == (Cause.CRASH, 5)
    after = loser.crash(0, LATER)
    assert (after.cause, after.crashes, after.blamed) == (Cause.REPLACE, 6, 1)
    assert loser.crash(0, LATER, unstarted=True).cause is Cause.FAILED


def test_values_that_are_the_donors_already_blame_its_record_and_another_donor_is_copied(loser):
    """Also where the rule would draw the same one again: the donors of four members are one."""
    begun = loser.newest(0).source
    for _ in range(3):
        loser.crash(0)
    after = loser.crash(0)
    assert after.cause is Cause.REPLACE
    assert after.source is not None
    assert (after.source.member, after.source == begun) == (2, False)


def test_where_there_is_no_donor_yet_they_are_drawn_again_and_others_each_time(lives):
    seen = [lives.newest(0).hyperparameters]
    for _ in range(MOST_BLAMED):
        assert lives.crash(0, AT_FIRST).cause is Cause.CRASH
        after = lives.crash(0, AT_FIRST)
        assert (after.cause, after.source, after.start_step) == (Cause.REPLACE, None, 0)
        assert after.hyperparameters not in seen
        seen.append(after.hyperparameters)


@pytest.mark.parametrize(
    ("first", "second", "is_bad_node", "blames"),
    [
        ({"exit_code": 137}, {"exit_code": 137}, False, False),
        ({"exit_code": 137}, {"exit_code": 1}, False, True),
        ({"exit_code": 137, "out_of_memory": True}, {"exit_code": 137}, False, True),
        ({"exit_code": 137, "stopped": True, "hung": True}, {"exit_code": 137}, False, True),
        ({"node": "a"}, {"node": "a"}, True, False),
        ({"node": "a"}, {"node": "a"}, False, True),
        ({"node": "b"}, {"node": "a"}, True, True),
    ],
)
def test_who_kills_processes_or_a_bad_node_is_to_blame_instead(lives, first, second, is_bad_node, blames):
    lives.crash(0, replace(AT_FIRST, is_bad_node=is_bad_node), **first)
    after = lives.crash(0, replace(AT_FIRST, is_bad_node=is_bad_node), **second)
    assert (after.cause is Cause.REPLACE) is blames
    assert after.crashes == 2


def test_no_excuse_holds_for_ever(lives):
    causes = [lives.crash(0, AT_FIRST, exit_code=137).cause for _ in range(4)]
    assert causes == [Cause.CRASH, Cause.CRASH, Cause.CRASH, Cause.REPLACE]


def test_a_node_is_bad_where_others_crash_whose_hyperparameters_have_run(loser):
    ended = End(member=0, incarnation=2, pod="p", exit_code=1, node="a")
    assert not setting_of(ended, loser.history).is_bad_node
    loser.crash(1, node="b")
    assert not setting_of(ended, loser.history).is_bad_node
    loser.crash(2, node="a")
    assert setting_of(ended, loser.history).is_bad_node
    newborn = Lives()
    newborn.crash(2, node="a")
    assert not setting_of(ended, newborn.history).is_bad_node


def test_what_crashed_before_its_line_had_recorded_anything_says_nothing_of_its_node(loser):
    ended = End(member=0, incarnation=2, pod="p", exit_code=1, node="a")
    other = Lives()
    other.crash(2, node="a")
    other.report(2, INTERVAL)
    assert not setting_of(ended, other.history).is_bad_node, "it crashed before it had run"
    loser.crash(2, node="a")
    loser.round(2, [0.0, 1.0, -1.0, 9.0])
    assert loser.newest(2).cause is Cause.EXPLOIT
    loser.report(2, 3 * INTERVAL)
    assert not setting_of(ended, loser.history).is_bad_node, "that line is over"


def test_a_record_of_its_own_sets_both_counters_back_and_nothing_else_does(loser):
    loser.crash(0), loser.crash(0)
    loser.report(0, 15)
    after = loser.crash(0)
    assert (after.cause, after.crashes, after.blamed, after.start_step) == (Cause.CRASH, 1, UNSET, 15)


def test_a_decision_carries_the_counters_on_unless_the_member_has_recorded_since(loser):
    for member in (1, 2):
        loser.report(member, 2 * INTERVAL, 1.0 - member)
    loser.crash(2)
    assert Counters.carried(loser.history, 2) == Counters()._replace(crashes=1)
    loser.report(2, 3 * INTERVAL)
    assert Counters.carried(loser.history, 2) == Counters()


def test_three_crashes_within_three_intervals_go_to_a_donor_with_values_and_weights(loser):
    for step in (15, 25):
        loser.report(2, step)
        assert loser.crash(2).cause is Cause.CRASH
    loser.report(2, 35)
    after = loser.crash(2)
    assert (after.cause, after.crashes, after.blamed, after.seed_round) == (Cause.REPLACE, 1, 1, 1)
    assert after.source is not None
    assert after.source.member == 3
    assert after.hyperparameters == loser.newest(3).hyperparameters


def test_crashes_long_ago_blame_nobody(loser):
    for step in (15, 45, 75):
        loser.report(2, step)
        assert loser.crash(2).cause is Cause.CRASH


def test_what_the_trainer_calls_a_mistake_blames_the_values_at_once_if_anybody_has_recorded(loser):
    after = loser.crash(0, LATER, exit_code=83)
    assert (after.cause, after.blamed) == (Cause.REPLACE, 1)
    lone = Lives()
    after = lone.crash(0, AT_FIRST, exit_code=83)
    assert (after.cause, after.crashes) == (Cause.CRASH, 1)


def test_a_mistake_waits_for_others_to_make_it_too():
    lone = Lives()
    end = End(member=0, incarnation=1, pod="p", exit_code=83)
    crash = crash_of(end, lone.history, SPEC)
    assert crash is not None
    assert wait_seconds(crash, AT_FIRST) == MISTAKE_SECONDS
    assert wait_seconds(crash, LATER) == 0.0


def test_above_the_limit_a_member_fails(lives):
    asked = replace(SPEC, backoff_limit=0)
    one = Lives(asked)
    after = one.crash(0, AT_FIRST)
    assert (after.cause, after.crashes, after.decided) == (Cause.FAILED, 1, 0)
    assert after.reason == "crashed, above backoffLimit 0: ended with exit code 1: no output"


@pytest.mark.parametrize("limit", [0, 1, 6])
def test_who_failed_comes_back_once_after_each_round_with_two_starts(limit):
    lives = Lives(replace(SPEC, backoff_limit=limit))
    lives.round(1, [0.0, 1.0, 2.0, 9.0])
    while lives.newest(0).cause is not Cause.FAILED:
        lives.crash(0)
    assert returned(lives.history, lives.spec, 0) is None
    for member in (1, 2, 3):
        lives.report(member, 2 * INTERVAL, float(member))
    attendance = attend(lives.history, lives.spec, 2, living={1, 2, 3})
    lives.history.add_round(decide(lives.history, lives.spec, attendance, spec_number=1))
    again = returned(lives.history, lives.spec, 0)
    assert again is not None
    assert (again.cause, again.seed_round, again.source and again.source.member) == (Cause.SCALE, 2, 3)
    assert again.hyperparameters == lives.newest(3).hyperparameters
    lives.history.add_birth(again)
    starts = 0
    while lives.newest(0).cause is not Cause.FAILED:
        lives.crash(0)
        starts += 1
    assert starts == (2 if limit else 1)
    assert returned(lives.history, lives.spec, 0) is None


def test_where_nobody_copies_a_member_goes_on_from_its_own_record_or_is_drawn_again():
    lives = Lives(to_core(spec({**DETERMINISTIC, "members": 4, "exploit": {"none": {}}, "backoffLimit": 1})))
    lives.round(1, [0.0, 1.0, 2.0, 9.0])
    own = lives.newest(0).hyperparameters
    while lives.newest(0).cause is not Cause.FAILED:
        after = lives.crash(0)
        assert after.cause is not Cause.REPLACE
        assert after.hyperparameters == own
    for member in (1, 2, 3):
        lives.report(member, 2 * INTERVAL, float(member))
    attendance = attend(lives.history, lives.spec, 2, living={1, 2, 3})
    lives.history.add_round(decide(lives.history, lives.spec, attendance, spec_number=1))
    again = returned(lives.history, lives.spec, 0)
    assert again is not None
    assert again.source is not None
    assert (again.source.member, again.start_step, again.hyperparameters) == (0, INTERVAL, own)
    bare = Lives(replace(lives.spec, backoff_limit=0))
    bare.crash(0)
    for member in (1, 2, 3):
        bare.report(member, INTERVAL, float(member))
    attendance = attend(bare.history, bare.spec, 1, living={1, 2, 3})
    bare.history.add_round(decide(bare.history, bare.spec, attendance, spec_number=1))
    drawn = returned(bare.history, bare.spec, 0)
    assert drawn is not None
    assert (drawn.source, drawn.start_step, drawn.seed_round) == (None, 0, 1)
    assert drawn.hyperparameters not in [birth.hyperparameters for birth in bare.history.births(0)]


def test_the_next_round_says_what_crashed_with_which_values(loser):
    newborn = loser.newest(0)
    loser.crash(0), loser.crash(0)
    told = crashed_since(loser.history)
    assert [(one.life, one.blamed) for one in told] == [((0, 2), False), ((0, 3), True)]
    assert all(one.hyperparameters == newborn.hyperparameters for one in told)
    loser.history.forget()
    assert crashed_since(loser.history) == told


@given(
    st.lists(st.sampled_from(["crash", "kill", "mistake", "record", "round"]), max_size=40), st.integers(0, 6)
)
def test_whatever_happens_no_slot_makes_more_starts_without_a_record_than_promised(deeds, limit):
    lives = Lives(replace(SPEC, backoff_limit=limit))
    starts, number = 1, 0
    for deed in deeds:
        newest = lives.newest(0)
        if newest.cause is Cause.FAILED:
            break
        if deed == "record":
            lives.report(0, lives.history.position(0) + 1)
            starts = 0
        elif deed == "round":
            number += 1
            for member in (1, 2, 3):
                lives.report(member, number * INTERVAL, float(member))
            attendance = attend(lives.history, lives.spec, number, living={1, 2, 3})
            lives.history.add_round(decide(lives.history, lives.spec, attendance, spec_number=1))
        else:
            lives.crash(0, exit_code={"crash": 1, "kill": 137, "mistake": 83}[deed])
            starts += lives.newest(0).cause is not Cause.FAILED
        assert starts <= limit + 3
        assert Counters.of(lives.newest(0)).blamed <= MOST_BLAMED


def test_each_crash_in_a_row_waits_twice_as_long_up_to_a_minute():
    assert [backoff_seconds(count) for count in range(1, 6)] == [0, 1, 2, 4, 8]
    assert backoff_seconds(50) == LONGEST_BACKOFF_SECONDS
