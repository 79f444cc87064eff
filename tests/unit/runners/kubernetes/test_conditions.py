"""Conditions as the API wants them: one of each type, and a time that changes with the status alone."""

from hypothesis import given
from hypothesis import strategies as st

from pbt_operator.runners.kubernetes.conditions import MAX_MESSAGE, Condition, merged

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
