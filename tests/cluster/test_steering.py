"""What a user changes while a population runs: suspend, the number of members, finish."""

import subprocess
import time
from collections.abc import Iterable

from cluster.applied import Applied
from cluster.populations import SMALL
from cluster.space import Space
from cluster.watch import Body
from pbt_contract.records import Cause

NO_EXPLOIT = {"none": {}}


def steps(log: str) -> list[int]:
    """The steps that a trainer printed, in order."""
    return [int(line.removeprefix("step ")) for line in log.splitlines() if line.startswith("step ")]


def names(pods: Iterable[Body]) -> list[str]:
    """The names of pods."""
    return [pod["metadata"]["name"] for pod in pods]


def follow(applied: Applied, pod: str) -> "subprocess.Popen[str]":
    """Reads the log of a pod until the pod is gone."""
    cluster = applied.space.cluster
    command = cluster.access.kubectl_command("logs", "--follow", pod, f"--namespace={applied.space.name}")
    return subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, text=True)


def test_suspended_for_a_while_no_step_is_trained_twice(space: Space) -> None:
    """All pods go, after a save at the very step that they were at; each goes on at the next one."""
    template = space.template("deterministic.py", grace_seconds=60, STEP_SECONDS="0.5")
    spec = {**SMALL, "members": 3, "exploit": NO_EXPLOIT, "template": template}
    applied = space.apply(space.population("paused", spec))
    applied.until_round(2)
    followed = {name: follow(applied, name) for name in names(applied.live.values())}
    applied.patch(suspend=True)
    applied.until_condition("Suspended")
    applied.until(lambda: not applied.live and applied.status["replicas"] == 0, "no trainer is left")
    assert applied.status["phase"] == "Suspended"
    before = applied.keys
    time.sleep(3)  # several polls of the operator, in which it may do nothing
    assert applied.keys == before
    logs = {name: process.communicate()[0] for name, process in followed.items()}
    applied.patch(suspend=False)
    found = applied.until_ended()
    assert applied.condition("Suspended")["status"] == "False"
    logs |= {name: space.kubectl("logs", name) for name in names(applied.pods)}
    for member in range(3):
        lives = sorted(name for name in logs if name.startswith(f"paused-{member}-"))
        assert [step for name in lives for step in steps(logs[name])] == list(range(1, 61))
    resumed = [birth for birth in found.births.values() if birth.incarnation == 2]
    assert {birth.cause for birth in resumed} == {Cause.RESUME}


def test_scaling_up_and_down_keeps_the_best(space: Space) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    # A decision may throw a member back behind the best report that it has made meanwhile; here only scaling acts.
    nobody_loses = {"truncation": {"percent": 25}, "minGap": 1e9}
    changes = {"schedule": {**SMALL["schedule"], "totalSteps": 4000}, "exploit": nobody_loses}
    applied = space.apply(space.population("scaled", SMALL, **changes, template=template))
    applied.until_round(1)
    space.kubectl("scale", "population", "scaled", "--replicas=8")
    applied.until(lambda: applied.status.get("readyReplicas") == 8, "eight members train")
    applied.until_round(applied.status["rounds"] + 2)
    space.kubectl("scale", "population", "scaled", "--replicas=6")
    applied.until(lambda: applied.status["replicas"] <= 6, "two members have left")
    applied.until_round(applied.status["rounds"] + 1)
    applied.patch(finish=True)
    found = applied.until_ended(reason="Finished")
    closed = {member for (member, _), birth in found.births.items() if birth.cause is Cause.REMOVED}
    assert closed == {6, 7}
    assert all(found.births[member, 1].source is not None for member in range(4, 8))
    bests = [
        change.body.get("status", {}).get("best", {}).get("score") for change in space.populations.changes
    ]
    scores = [score for score in bests if score is not None]
    assert scores == sorted(scores)
    assert found.best is not None
    assert (
        scores[-1]
        == found.best.score
        == max(r.metrics["score"] for r in found.reports.values() if found.counts(r))
    )
    assert any(True for _ in applied.store.names(found.best.source.checkpoint))


def test_finish_ends_it_now_and_keeps_the_best(space: Space) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="1")
    applied = space.apply(space.population("finished", SMALL, template=template))
    applied.until_round(1)
    applied.patch(finish=True)
    found = applied.until_ended(reason="Finished")
    assert found.best is not None
    assert max(member.step for member in found.status().members) < 60
    assert applied.status["best"]["checkpoint"] == found.best.source.checkpoint
