"""What becomes of trainers that are taken away or break by themselves: at most one interval is trained again."""

import re
from contextlib import suppress
from typing import Any

import pytest

from cluster.applied import Applied
from cluster.populations import SMALL, decisions
from cluster.space import Space
from faults.recovery import Mark, Printed, Recoveries, event, pbt_status
from kindcluster.machine import ClusterError
from pbt_contract.records import Cause
from pbt_operator.records.archive import Archive

INTERVAL = SMALL["schedule"]["intervalSteps"]
AT = 25
"""In the middle of the third interval."""

KILL = """
import os, pathlib, signal
for found in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"/trainers/" in found.read_bytes() and found.parent.name != str(os.getpid()):
        os.kill(int(found.parent.name), signal.SIGKILL)
"""


def steady(local: Archive) -> int:
    """A member that no decision replaces before the fault has: a loser of later rounds at the earliest."""
    losers = {decision.member for one in local.rounds[:3] for decision in one.decisions}
    return min({*range(SMALL["members"])} - losers)


def breaking(space: Space, fault: str, *, member: int, **environment: str) -> dict[str, Any]:
    """A template whose trainer breaks by itself."""
    told = {"BREAK": fault, "AT": str(AT), "MEMBER": str(member), "STEP_SECONDS": "0.3", **environment}
    return space.template("breaking.py", **told)


def begun(space: Space, template: dict[str, Any], **changes: Any) -> Applied:
    """A population that has decided its first round."""
    applied = space.apply(space.population("broken", SMALL, template=template, **changes))
    applied.until_round(1)
    return applied


def lost(
    applied: Applied, found: Archive, printed: Printed, *, local: Archive, member: int, most: int
) -> int:
    """The steps that the member had to train again; nothing else has changed, for nobody."""
    assert decisions(found) == decisions(local)
    assert {
        birth.member for birth in found.births.values() if birth.cause in {Cause.RESUME, Cause.CRASH}
    } == {member}
    assert pbt_status(applied).startswith("broken: Complete")
    steps = sum(printed.lost(applied, found).values())
    assert steps <= most
    return steps


@pytest.mark.quick
def test_a_pod_that_is_deleted_by_hand(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """Its trainer saves before it goes, so that nothing is trained again."""
    applied, member = begun(space, space.template("deterministic.py", STEP_SECONDS="0.4")), steady(local)
    mark = Mark(applied)
    space.kubectl("delete", "pod", applied.live[member]["metadata"]["name"], "--wait=false")
    seconds = mark.until_record(member, reborn=True)
    found = applied.until_ended()
    birth = found.births[member, 2]
    assert birth.cause is Cause.RESUME
    assert birth.source is not None
    assert birth.source.record.startswith("saves/")
    assert not [told for told in applied.events if told["type"] == "Warning"]
    recoveries.note(
        fault="pod deleted by hand",
        steps_lost=lost(applied, found, printed, local=local, member=member, most=0),
        seconds=seconds,
        shown=f"another pod, broken-{member}-2; no warning",
    )


@pytest.mark.quick
def test_a_trainer_that_is_killed(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """By SIGKILL from within its container, where it isn't the first process, which the kernel would spare."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    template["spec"]["shareProcessNamespace"] = True
    applied, member = begun(space, template), steady(local)
    mark = Mark(applied)
    with suppress(ClusterError):  # the runtime ends what was executed in a container together with it
        space.kubectl("exec", applied.live[member]["metadata"]["name"], "--", "python", "-c", KILL)
    seconds = mark.until_record(member, reborn=True)
    found = applied.until_ended()
    assert found.births[member, 2].cause is Cause.CRASH
    note = event(applied, "Crashed", f"member {member}", "exit code 137")
    recoveries.note(
        fault="trainer killed by SIGKILL",
        steps_lost=lost(applied, found, printed, local=local, member=member, most=INTERVAL),
        seconds=seconds,
        shown=f"Event Crashed: {note}",
    )


@pytest.mark.quick
def test_a_trainer_that_runs_out_of_memory(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    member = steady(local)
    template = breaking(space, "memory", member=member)
    template["spec"]["containers"][0]["resources"] = {"limits": {"memory": "256Mi"}}
    applied = begun(space, template)
    mark = Mark(applied)
    seconds = mark.until_record(member, reborn=True)
    found = applied.until_ended()
    note = event(applied, "Crashed", f"member {member}", "OOMKilled", "raise resources.limits.memory")
    recoveries.note(
        fault="trainer out of memory",
        steps_lost=lost(applied, found, printed, local=local, member=member, most=INTERVAL),
        seconds=seconds,
        shown=f"Event Crashed: {note}",
    )


def test_a_trainer_that_hangs(space: Space, printed: Printed, recoveries: Recoveries, local: Archive) -> None:
    """Without a report for progressDeadlineSeconds; it doesn't even leave when it is told to."""
    member = steady(local)
    schedule = {**SMALL["schedule"], "progressDeadlineSeconds": 45}
    applied = begun(space, breaking(space, "hang", member=member), schedule=schedule)
    applied.until(lambda: AT - 1 in printed.of(applied, member, 1), "the member hangs")
    mark = Mark(applied)
    seconds = mark.until_record(member, reborn=True)
    found = applied.until_ended()
    note = event(applied, "Crashed", f"member {member}", "no record within progressDeadlineSeconds")
    recoveries.note(
        fault="trainer hangs, progressDeadlineSeconds 45",
        steps_lost=lost(applied, found, printed, local=local, member=member, most=INTERVAL),
        seconds=seconds,
        shown=f"Event Crashed: {note}",
    )


def test_a_trainer_that_crashes_again_and_again(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """It resumes, takes a donor over after the third time, and has failed after the fifth; the others train to the end.

    After each decided round it tries again, twice. Each time the person reads the error, though the log ends otherwise.
    """
    member = steady(local)
    applied = begun(space, breaking(space, "loop", member=member), backoffLimit=4)
    mark = Mark(applied)
    seconds = mark.until_round()
    found = applied.until_ended(reason="AllStepsDone")
    lives = [found.births[life] for life in sorted(found.births) if life[0] == member]
    causes = [birth.cause for birth in lives if birth.cause is not Cause.EXPLOIT]
    assert causes[:6] == [Cause.INITIAL, Cause.CRASH, Cause.CRASH, Cause.REPLACE, Cause.CRASH, Cause.FAILED]
    tries = len(causes[6:]) // 3
    assert causes[6:] == [Cause.SCALE, Cause.CRASH, Cause.FAILED] * tries
    assert tries <= len(found.rounds)
    error = "ValueError: the data set is made of cheese"
    crashed = [told["note"] for told in applied.events if told["reason"] in {"Crashed", "MemberFailed"}]
    assert len(crashed) >= 5
    assert all(error in note and "breaking.py" in note and "worker" not in note for note in crashed), crashed
    assert re.search(rf"^ *{member} +\d+ +Failed ", pbt_status(applied), re.MULTILINE)
    [failed] = [shown for shown in applied.status["members"] if shown["state"] == "Failed"]
    assert error in failed["reason"]
    steps = printed.lost(applied, found)
    assert steps.keys() == {member}
    assert steps[member] <= 4 * INTERVAL
    recoveries.note(
        fault="trainer crashes again and again, five times",
        steps_lost=steps[member],
        seconds=seconds,
        shown=f"Event MemberFailed: {event(applied, 'MemberFailed')}",
    )


def test_a_trainer_whose_disk_is_full(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """The one on which the SDK keeps the files of a report until they are stored; the next pod's is empty."""
    member = steady(local)
    template = breaking(space, "disk", member=member, TMPDIR="/scratch")
    scratch = {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}
    template["spec"]["volumes"].append(scratch)
    template["spec"]["containers"][0]["volumeMounts"].append({"name": "scratch", "mountPath": "/scratch"})
    applied = begun(space, template)
    mark = Mark(applied)
    seconds = mark.until_record(member, reborn=True)
    found = applied.until_ended()
    note = event(applied, "Crashed", f"member {member}", "No space left on device")
    recoveries.note(
        fault="disk of a trainer full",
        steps_lost=lost(applied, found, printed, local=local, member=member, most=INTERVAL),
        seconds=seconds,
        shown=f"Event Crashed: {note}",
    )


def test_a_trainer_whose_clock_is_an_hour_slow_for_a_while(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """Its store refuses what it signs; it tries on, and goes on once the clock is right. Nothing else reads a clock."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4", PYTHONPATH="/trainers")
    applied, member = begun(space, template), steady(local)
    pod = applied.live[member]["metadata"]["name"]
    space.kubectl("exec", pod, "--", "touch", "/tmp/slow")
    refused = "the difference between the request time and the server's time is too large"
    applied.until(lambda: refused in space.kubectl("logs", pod).lower(), "the store refuses its requests")
    assert applied.live[member]["metadata"]["name"] == pod
    space.kubectl("exec", pod, "--", "rm", "/tmp/slow")
    mark = Mark(applied)
    seconds = mark.until_record(member)
    found = applied.until_ended()
    assert decisions(found) == decisions(local)
    assert {birth.cause for birth in found.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    assert printed.lost(applied, found) == {}
    assert pbt_status(applied).startswith("broken: Complete")
    recoveries.note(
        fault="clock of one trainer an hour slow for a while",
        steps_lost=0,
        seconds=seconds,
        shown="a round that isn't decided; in the trainer's log why the store refuses it",
    )
