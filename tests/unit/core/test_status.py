"""The status that records keep, clusters show and commands read is one definition."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from fixtures.hypothesis_strategies import make_spec
from fixtures.lives import born
from pbt_contract.encoding import encode
from pbt_contract.records import Cause
from pbt_operator.core import status as words
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.core.status import (
    MemberState,
    MemberStatus,
    PopulationPhase,
    Result,
    SecondsSpent,
    Status,
    Steps,
)
from pbt_operator.core.status_builder import status_of
from pbt_operator.manifest import status_schema


def test_what_earlier_versions_left_out_has_a_default() -> None:
    least = {"phase": "Running", "reason": "NotEnded"}
    found = msgspec.convert(least, Status)
    assert (found.best, found.members, found.rounds, found.steps.left) == (None, [], 0, 0)
    member = msgspec.convert({"member": 1, "incarnation": 2, "state": "Training", "step": 3}, MemberStatus)
    assert (member.state, member.score, member.hyperparameters) == (MemberState.TRAINING, None, {})


@pytest.mark.parametrize("name", ["remaining", "waiting"])
def test_what_is_left_is_read_by_its_former_name_too(name: str) -> None:
    assert msgspec.convert({"productive": 40, name: 7}, Steps).left == 7


def test_what_is_left_is_written_by_both_names() -> None:
    history = History()
    history.add_birth(born(0, 1, Cause.INITIAL, 0, 0))
    found = status_of(
        history,
        Ledger(),
        make_spec(),
        phase=PopulationPhase.RUNNING,
        rounds=0,
        activity=lambda _: MemberState.WAITING,
    )
    total = make_spec().schedule.total_steps
    told = {"productive": 0, "discarded": 0, "remaining": total, "waiting": total}
    assert msgspec.to_builtins(found.steps) == told


def test_a_result_keeps_its_seconds_whatever_was_recorded_since() -> None:
    status = Status(
        phase=PopulationPhase.COMPLETE, reason="AllStepsDone", seconds=SecondsSpent(productive=9.0)
    )
    later = Status(phase=PopulationPhase.COMPLETE, reason="", seconds=SecondsSpent(productive=11.0))
    assert Result.of(status, spec=1, lineage=[]).closing(later).seconds == status.seconds
    older = Status(
        phase=PopulationPhase.COMPLETE, reason="AllStepsDone", steps=Steps(productive=9, waiting=2)
    )
    closed = Result.of(older, spec=1, lineage=[]).closing(later)
    assert closed.seconds == later.seconds
    assert closed.steps == Steps(productive=9, remaining=2, waiting=2)


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
