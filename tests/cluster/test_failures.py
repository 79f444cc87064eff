"""Trainers that fail by themselves are counted and told about; those that are taken away just go on."""

import json

from cluster import pods
from cluster.populations import SMALL, TINY, undecided
from cluster.space import Space
from cluster.test_steering import follow, steps
from pbt_contract.records import Cause

CHEESE = "the data set of member 1 is made of cheese"


def test_the_last_line_of_a_crash_is_told_and_the_others_go_on(space: Space) -> None:
    template = space.template("failing.py", FAILING="1")
    applied = space.apply(space.population("crashing", TINY, backoffLimit=1, template=template))
    found = applied.until_ended(reason="AllStepsDone")
    told = {event["reason"]: event["note"] for event in applied.events if CHEESE in event["note"]}
    assert set(told) == {"Crashed", "MemberFailed", "AllStepsDone"}
    assert applied.status["failedMembers"] == 1
    (failed,) = [member for member in applied.status["members"] if member["state"] == "Failed"]
    assert failed["member"] == 1
    assert CHEESE in failed["reason"]
    causes = [birth.cause for (member, _), birth in sorted(found.births.items()) if member == 1]
    assert causes == [Cause.INITIAL, Cause.CRASH, Cause.FAILED]


def test_too_many_failed_members_fail_the_population_with_the_reason(space: Space) -> None:
    template = space.template("failing.py", FAILING="1")
    limits = {"backoffLimit": 0, "maxFailedMembers": 0}
    applied = space.apply(space.population("failing", TINY, **limits, template=template))
    applied.until_ended("Failed", reason="TooManyFailedMembers")
    assert CHEESE in applied.condition("Failed")["message"]


def test_a_pod_that_is_deleted_or_evicted_is_no_crash_and_resumes_from_its_save(space: Space) -> None:
    template = space.template("deterministic.py", grace_seconds=60, STEP_SECONDS="0.5")
    spec = {**SMALL, "members": 3, "exploit": {"none": {}}, "template": template}
    applied = space.apply(space.population("disturbed", spec))
    applied.until_round(1)
    deleted, evicted = (applied.live[member]["metadata"]["name"] for member in (0, 1))
    followed = [follow(applied, name) for name in (deleted, evicted)]
    space.kubectl("delete", "pod", deleted, "--wait=false")
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": evicted, "namespace": space.name},
    }
    url = f"/api/v1/namespaces/{space.name}/pods/{evicted}/eviction"
    space.kubectl("create", "--raw", url, "-f", "-", stdin=json.dumps(eviction))
    found = applied.until_ended()
    assert {event["reason"] for event in applied.events} & {"Crashed", "MemberFailed"} == set()
    for member, process in enumerate(followed):
        birth = found.births[member, 2]
        assert birth.cause is Cause.RESUME
        assert birth.source is not None
        assert birth.start_step == max(steps(process.communicate()[0])), "it was saved where it was"
        assert birth.source.record.startswith("saves/" if birth.start_step % 10 else "reports/")
    others = {pods.member(pod) for pod in applied.disrupted}
    assert {birth.member for birth in undecided(found)} <= {0, 1} | others, applied.account(found)
