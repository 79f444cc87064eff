"""The status that records keep, clusters show and commands read is one definition."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from pbt_contract.encoding import encode
from pbt_operator.core import status as words
from pbt_operator.core.status import (
    MemberState,
    MemberStatus,
    PopulationPhase,
    Result,
    SecondsSpent,
    Status,
    Steps,
)
from pbt_operator.manifest import status_schema


def test_what_earlier_versions_left_out_has_a_default() -> None:
    least = {"phase": "Running", "reason": "NotEnded"}
    found = msgspec.convert(least, Status)
    assert (found.best, found.members, found.rounds, found.steps.remaining) == (None, [], 0, 0)
    member = msgspec.convert({"member": 1, "incarnation": 2, "state": "Training", "step": 3}, MemberStatus)
    assert (member.state, member.score, member.hyperparameters) == (MemberState.TRAINING, None, {})


@pytest.mark.parametrize("name", ["remaining", "waiting"])
def test_what_is_left_is_read_by_its_former_name_and_written_by_both(name: str) -> None:
    steps = msgspec.convert({"productive": 40, name: 7}, Steps)
    assert (steps.remaining, steps.waiting) == (7, 7)
    assert msgspec.to_builtins(steps) == {"productive": 40, "discarded": 0, "remaining": 7, "waiting": 7}


def test_a_result_keeps_its_seconds_whatever_was_recorded_since() -> None:
    status = Status(
        phase=PopulationPhase.COMPLETE, reason="AllStepsDone", seconds=SecondsSpent(productive=9.0)
    )
    later = Status(phase=PopulationPhase.COMPLETE, reason="", seconds=SecondsSpent(productive=11.0))
    assert Result.of(status, spec=1, lineage=[]).closing(later).seconds == status.seconds
    older = Status(phase=PopulationPhase.COMPLETE, reason="AllStepsDone")
    assert Result.of(older, spec=1, lineage=[]).closing(later).seconds == later.seconds


def test_a_result_is_its_status_with_the_lineage() -> None:
    status = Status(phase=PopulationPhase.COMPLETE, reason="AllStepsDone", message="done", rounds=3)
    result = Result.of(status, spec=2, lineage=[])
    wanted: dict[str, Any] = {**msgspec.to_builtins(status), "spec": 2, "lineage": [], "schedule": []}
    assert msgspec.json.decode(encode(result)) == wanted


def test_a_new_field_is_in_the_schema_of_the_resource_without_any_other_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Later(words.Status, frozen=True, kw_only=True):
        waiting_pods: Annotated[int, Meta(description="How many pods wait for a node.")] = 0

    monkeypatch.setattr(status_schema, "Status", Later)
    fields = status_schema.status_schema()["properties"]
    assert fields["waitingPods"] == {"type": "integer", "description": "How many pods wait for a node."}


def test_a_field_without_a_description_can_not_become_a_part_of_the_resource(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(words.Status, frozen=True, kw_only=True):
        silent: int = 0

    monkeypatch.setattr(status_schema, "Status", Silent)
    with pytest.raises(AssertionError, match=r"Silent\.silent is not described"):
        status_schema.status_schema()
