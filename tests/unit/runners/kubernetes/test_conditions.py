"""Conditions as the API wants them: one of each type, and a time that changes with the status alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_operator.runners.kubernetes.conditions import KINDS as ALL
from pbt_operator.runners.kubernetes.conditions import MAX_MESSAGE, Condition, merged, summary

FIRST, SECOND = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
KINDS = ["Accepted", "StorageReady", "Complete"]
conditions = st.lists(
    st.builds(
        Condition,
        st.sampled_from(KINDS),
        st.sampled_from(["True", "False", "Unknown"]),
        st.sampled_from(["Ready", "Waiting"]),
        st.text(max_size=5),
    ),
    max_size=4,
)


def test_a_condition_is_written_as_the_api_has_it():
    (found,) = merged([], [Condition("Accepted", "True", "Accepted", "in force")], generation=4, time=FIRST)
    assert found == {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "in force",
        "observedGeneration": 4,
        "lastTransitionTime": FIRST,
    }


@given(conditions, conditions)
def test_the_time_changes_with_the_status_and_what_is_not_noted_stays(first, second):
    before = merged([], first, generation=1, time=FIRST)
    after = merged(before, second, generation=2, time=SECOND)
    known = {condition["type"]: condition for condition in before}
    noted = {condition.kind: condition for condition in second}
    assert len({condition["type"] for condition in after}) == len(after)
    assert {condition["type"] for condition in after} == {*known, *noted}
    for condition in after:
        kind = condition["type"]
        if kind not in noted:
            assert condition == known[kind]
            continue
        assert (condition["reason"], condition["observedGeneration"]) == (noted[kind].reason, 2)
        assert condition["status"] == noted[kind].status
        # A pass notes each type once at last; in between it may have been otherwise.
        flipped = {c.status for c in second if c.kind == kind} != {known.get(kind, {}).get("status")}
        assert condition["lastTransitionTime"] == (SECOND if flipped else FIRST)


def test_a_long_message_is_cut():
    (found,) = merged([], [Condition("Failed", "True", "Bad", "x" * 100_000)], generation=1, time=FIRST)
    assert len(found["message"]) == MAX_MESSAGE


ACCEPTED = Condition("Accepted", "True", "Accepted", "in force")
STORED = Condition("StorageReady", "True", "Ready", "s3://b/x")
TRAINING = Condition("Progressing", "True", "Training", "8 of 8 pods run")
WAITING = Condition("Progressing", "False", "PodsWaiting", "0 pods run, 8 wait")
REFUSED = Condition("Accepted", "False", "InvalidSpec", "spec.x is wrong")
AWAY = Condition("StorageReady", "False", "Unreachable", "no route")
DENIED = Condition("StorageReady", "False", "Refused", "no rights")
COMPLETE = Condition("Complete", "True", "AllStepsDone", "all members are at step 20")
FAILED = Condition("Failed", "True", "Mistake", "NameError")
SUSPENDED = Condition("Suspended", "True", "Suspended", "spec.suspend is true")
READY, RECONCILING, STALLED, NOTHING = ("Ready",), ("Reconciling",), ("Stalled",), ()


def summed_up(*noted: Condition, training: int = 0, wrong: bool = False) -> tuple[tuple[str, ...], str, str]:
    """Which of the three are True; reason and message of `Ready`."""
    fine = [
        ACCEPTED,
        STORED,
        Condition("Complete", "False", "NotEnded"),
        Condition("Failed", "False", "NotEnded"),
    ]
    found = summary(merged([], [*fine, *noted], generation=1, time=FIRST), training=training, wrong=wrong)
    assert [condition.kind for condition in found] == ["Ready", "Reconciling", "Stalled"]
    assert {condition.kind for condition in [*fine, *noted, *found]} <= set(ALL)
    assert len({condition.reason for condition in found}) == 1
    ready = found[0]
    assert all(c.message == (ready.message if c.status == "True" else "") for c in found[1:])
    return tuple(c.kind for c in found if c.status == "True"), ready.reason, ready.message


@pytest.mark.parametrize(
    ("noted", "seen", "kinds", "by"),
    [
        ((), {}, RECONCILING, None),
        ((TRAINING,), {"training": 8}, READY, TRAINING),
        ((TRAINING,), {"training": 8, "wrong": True}, RECONCILING, TRAINING),
        ((WAITING,), {}, RECONCILING, WAITING),
        ((TRAINING, SUSPENDED), {"training": 1}, NOTHING, SUSPENDED),
        ((TRAINING, AWAY), {"training": 8}, RECONCILING, AWAY),
        ((TRAINING, DENIED), {"training": 8}, STALLED, DENIED),
        ((TRAINING, REFUSED), {"training": 8}, STALLED, REFUSED),
        ((REFUSED,), {}, STALLED, REFUSED),
        ((COMPLETE,), {}, READY, COMPLETE),
        ((COMPLETE, AWAY), {}, READY, COMPLETE),
        ((COMPLETE, SUSPENDED), {}, READY, COMPLETE),
        ((COMPLETE, REFUSED), {}, STALLED, REFUSED),
        ((FAILED,), {}, STALLED, FAILED),
        ((FAILED, DENIED), {}, STALLED, FAILED),
    ],
)
def test_at_most_one_of_ready_reconciling_and_stalled_is_true_and_says_why(noted, seen, kinds, by):
    found = summed_up(*noted, **seen)
    assert found[0] == kinds
    if by is None:
        assert found[1:] == ("Starting", "no pass has come to its end yet")
        return
    place = "Storage" if by.kind == "StorageReady" else ""
    assert found[1:] == (place + by.reason, by.message)
