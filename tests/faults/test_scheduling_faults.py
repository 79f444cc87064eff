"""What becomes of populations whose pods the cluster won't run: the person sees why, and mends it while they wait."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cluster.applied import Applied
from cluster.populations import SMALL, decisions
from cluster.space import Space
from faults.recovery import Mark, Printed, Recoveries, pbt_status
from pbt_contract.records import Cause
from pbt_operator.records.archive import Archive

LABEL = "tests.pbt.dev/trains"
MEMBERS = range(SMALL["members"])

Mend = Callable[[Applied], None]


def template(space: Space, **pod: Any) -> dict[str, Any]:
    made = space.template("deterministic.py", STEP_SECONDS="0.3")
    return {"spec": {**made["spec"], **pod}}


@contextmanager
def no_image(space: Space) -> Iterator[tuple[dict[str, Any], Mend]]:
    """An image that does not exist, until the template is corrected; the deadline replaces pods that wait for it."""
    schedule = {**SMALL["schedule"], "progressDeadlineSeconds": 45}
    wrong = space.template("deterministic.py", image="registry.invalid/nothing:1")
    yield {"template": wrong, "schedule": schedule}, lambda applied: applied.patch(template=template(space))


@contextmanager
def no_node(space: Space) -> Iterator[tuple[dict[str, Any], Mend]]:
    """A node selector that fits no node, until one gets the label."""
    nodes = space.cluster.kubectl(
        "get", "nodes", "--output=name", "--selector=!node-role.kubernetes.io/control-plane"
    )
    node = nodes.stdout.split()[0]
    selector = {LABEL: space.name}

    def label(_: Applied) -> None:
        space.cluster.kubectl("label", node, f"{LABEL}={space.name}")

    try:
        yield {"template": template(space, nodeSelector=selector)}, label
    finally:
        space.cluster.kubectl("label", node, f"{LABEL}-")


@contextmanager
def no_quota(space: Space) -> Iterator[tuple[dict[str, Any], Mend]]:
    """A quota of no pods, until it is raised."""

    def quota(pods: int) -> None:
        hard, known = {"pods": pods}, {"pods": str(pods)}
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": hard},
        }
        space.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        space.until(
            lambda: space.get("quota", "few").get("status", {}).get("hard") == known, "the quota holds"
        )

    quota(0)
    yield {"template": template(space)}, lambda _: quota(10)


@pytest.mark.parametrize(
    ("broken", "fault", "reason", "words"),
    [
        pytest.param(no_image, "image that does not exist", "PodsWaiting", "ImagePull", id="image"),
        pytest.param(no_node, "unschedulable", "PodsWaiting", "Unschedulable", id="unschedulable"),
        pytest.param(no_quota, "quota refused", "QuotaExceeded", "exceeded quota: few", id="quota"),
    ],
)
def test_pods_that_the_cluster_does_not_run(
    space: Space,
    printed: Printed,
    recoveries: Recoveries,
    local: Archive,
    broken: Any,
    fault: str,
    reason: str,
    words: str,
) -> None:
    with broken(space) as (changes, mend):
        applied = space.apply(space.population("waiting", SMALL, **changes))
        applied.until_condition("Progressing", status="False", reason=reason)
        applied.until(lambda: words in applied.condition("Progressing")["message"], f"it says {words}")
        told = applied.condition("Progressing")
        assert applied.status["phase"] == "Pending"
        assert reason in pbt_status(applied)
        mark = Mark(applied)
        mend(applied)
        seconds = mark.until_record(*MEMBERS)
        found = applied.until_ended()
    assert decisions(found) == decisions(local)
    assert {birth.cause for birth in found.births.values()} <= {Cause.INITIAL, Cause.EXPLOIT, Cause.CRASH}
    steps = sum(printed.lost(applied, found).values())
    assert steps == 0
    recoveries.note(
        fault=fault,
        steps_lost=steps,
        seconds=seconds,
        shown=f"Progressing False {reason}: {told['message'][:160]}",
    )
