"""How populations end by their own limits, and what the conditions say of those that wait."""

import json

from cluster import pods
from cluster.populations import SMALL, TINY
from cluster.space import Space


def test_the_target_completes_it_and_its_time_to_live_deletes_it(space: Space) -> None:
    objective = {**SMALL["objective"], "target": -10}
    template = space.template("deterministic.py", STEP_SECONDS="1")
    limits = {"objective": objective, "ttlSecondsAfterFinished": 15}
    applied = space.apply(space.population("aimed", SMALL, **limits, template=template))
    before = applied.keys  # which also opens its location, while there is a status that names it
    found = applied.until_ended(reason="TargetReached")
    keys = applied.keys
    assert keys > before
    assert max(member.step for member in found.status().members) < 60
    applied.until(lambda: applied.body is None and not applied.pods, "it was deleted")
    assert applied.keys == keys


def test_the_deadline_fails_it(space: Space) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="1")
    applied = space.apply(space.population("late", TINY, activeDeadlineSeconds=6, template=template))
    applied.until_ended("Failed", reason="DeadlineExceeded")


def test_a_quota_is_shown_and_waited_for(space: Space) -> None:
    def quota(most: int) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": {"pods": most}},
        }
        space.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        known = {"pods": str(most)}
        space.until(
            lambda: space.get("quota", "few").get("status", {}).get("hard") == known, "the quota holds"
        )

    quota(2)
    template = space.template("deterministic.py", STEP_SECONDS="0.3")
    applied = space.apply(space.population("limited", SMALL, template=template))
    told = applied.until_condition("Progressing", reason="QuotaExceeded")
    assert "exceeded quota: few" in told["message"]
    assert len(applied.live) <= 2
    quota(10)
    # Those that ended stay for their logs.
    applied.until(
        lambda: {pods.member(pod) for pod in applied.pods} == {*range(4)}, "all members have trained"
    )
    applied.until_ended()


def test_an_image_that_nobody_has_is_named_and_fails_after_the_deadline(space: Space) -> None:
    template = space.template("deterministic.py", image="registry.invalid/nothing:1")
    schedule = {**TINY["schedule"], "progressDeadlineSeconds": 5}
    applied = space.apply(
        space.population("absent", TINY, schedule=schedule, backoffLimit=0, template=template)
    )
    told = applied.until_condition("Progressing", status="False", reason="PodsWaiting")
    assert "ImagePull" in told["message"]
    applied.until_ended("Failed", reason="AllMembersFailed")
    assert "ImagePull" in applied.condition("Failed")["message"]
