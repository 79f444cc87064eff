"""Whose fault crashes are: regions of the space, mistakes of the script, scores that are no numbers, own limits."""

import pytest

from cluster.populations import SMALL
from cluster.space import Space
from faults.recovery import Recoveries, event
from pbt_contract.records import Cause

SOME = {**SMALL, "schedule": {**SMALL["schedule"], "quorumPercent": 75}}


def breaking(space: Space, fault: str, *, at: int, member: int = 0) -> dict:
    """A template whose trainers break by themselves."""
    told = {"BREAK": fault, "AT": str(at), "MEMBER": str(member), "STEP_SECONDS": "0.2"}
    return space.template("breaking.py", **told)


def test_a_region_of_the_space_that_crashes(space: Space, recoveries: Recoveries) -> None:
    """No slot is lost to it, and only what lies in it is blamed."""
    initial = [{"depth": depth} for depth in (8, 1, 7, 2)]
    template = breaking(space, "region", at=6)
    applied = space.apply(space.population("region", SOME, template=template, initial=initial))
    found = applied.until_ended(reason="AllStepsDone")
    replaced = [birth for birth in found.births.values() if birth.cause is Cause.REPLACE]
    assert {birth.member for birth in replaced} >= {0, 2}
    former = [found.births[birth.member, birth.incarnation - 1] for birth in replaced]
    assert all(int(birth.hyperparameters["depth"]) >= 6 for birth in former)
    assert "Failed" not in {shown["state"] for shown in applied.status["members"]}
    assert "members failed" not in applied.condition("Complete")["message"]
    told = [one.life for decided in found.rounds for one in decided.crashed or []]
    assert told
    recoveries.note(
        fault="half of the members in a region that crashes",
        steps_lost=0,
        seconds=0,
        shown=f"Event Crashed: {event(applied, 'Crashed', 'depth is more')}",
    )


@pytest.mark.quick
def test_a_mistake_of_the_script(space: Space, recoveries: Recoveries) -> None:
    """Each member starts once, and the second that meets it ends the population."""
    template = breaking(space, "mistake", at=2)
    applied = space.apply(space.population("mistake", {**SMALL, "members": 8}, template=template))
    found = applied.until_ended("Failed", reason="Mistake")
    message = applied.condition("Failed")["message"]
    assert message.count("UsageError: the manifest asks for what this script can't do") == 1
    assert "kubectl pbt logs mistake --member" in message
    assert len(found.claimed) <= 8
    applied.space.kubectl("annotate", "population", "mistake", "pbt.dev/retry=1")
    applied.until(lambda: applied.condition("Failed")["status"] == "False", "it is tried again")
    applied.until_ended("Failed", reason="Mistake")
    recoveries.note(
        fault="mistake of the script, eight members", steps_lost=0, seconds=0, shown=f"Failed: {message}"
    )


@pytest.mark.quick
def test_all_scores_are_no_numbers(space: Space, recoveries: Recoveries) -> None:
    applied = space.apply(space.population("nan", SMALL, template=breaking(space, "nan", at=1)))
    applied.until_ended("Failed", reason="NoFiniteScore")
    message = applied.condition("Failed")["message"]
    recoveries.note(fault="all scores NaN", steps_lost=0, seconds=0, shown=f"Failed: {message}")


def test_a_trainer_that_fills_its_ephemeral_storage(space: Space, recoveries: Recoveries) -> None:
    """The kubelet evicts it, and it is its own fault."""
    template = breaking(space, "storage", at=15, member=1)
    template["spec"]["containers"][0]["resources"] = {"limits": {"ephemeral-storage": "64Mi"}}
    applied = space.apply(space.population("storage", SOME, template=template))
    found = applied.until_ended(reason="AllStepsDone")
    ends = [end for end in found.ends.values() if end.message.startswith("Evicted")]
    assert ends
    assert not any(end.disrupted for end in ends)
    note = event(applied, "Crashed", "member 1", "ephemeral")
    recoveries.note(
        fault="ephemeral storage of a pod exceeded", steps_lost=0, seconds=0, shown=f"Event Crashed: {note}"
    )
