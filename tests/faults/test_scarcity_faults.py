"""Six members where there is room for four, beside other tenants that take whatever is given back."""

import json
import time
from typing import Any

import pytest

from cluster.applied import Applied
from cluster.conftest import trained_here
from cluster.populations import SMALL, decisions
from cluster.scarce import Gauge, asking, placed, scarce, tenants
from cluster.space import Space
from cluster.test_kueue import MILLICORES, QUEUE, Queue, queue, queues, rival, running
from cluster.test_steering import follow, steps
from cluster.watch import Body
from pbt_contract import keys
from pbt_operator.records.archive import Archive
from support.cluster import Cluster

SIX: dict[str, Any] = {**SMALL, "members": 6, "schedule": {**SMALL["schedule"], "totalSteps": 120}}
TEN_ROUNDS: dict[str, Any] = {**SMALL, "members": 6, "schedule": {"totalSteps": 400, "intervalSteps": 40}}


__all__ = ["queue", "queues"]


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return trained_here(tmp_path_factory.mktemp("six"), SIX)


def test_six_members_share_four_gpus_and_give_none_to_another_tenant(space: Space, cluster: Cluster) -> None:
    """Its pods of a minute are always there to take a slot that is given back."""
    if cluster.faults is None:
        pytest.skip("the nodes of this cluster aren't ours to give a resource")
    with scarce(cluster.faults, "gpu", each=2) as gpu:
        one = {"limits": {gpu: "1"}}
        template = asking(space.template("deterministic.py", STEP_SECONDS="0.1"), one)
        applied = space.apply(space.population("scarce", TEN_ROUNDS, restart="InPlace", template=template))
        applied.until(lambda: len(placed(applied)) == 4, "four have a GPU")
        other = tenants(space, one, number=8, seconds=60)
        space.kubectl("create", "-f", "-", stdin=json.dumps(other))
        gauge = Gauge(applied)

        def given_back() -> bool:
            return gauge.note() < 4

        applied.until(given_back, "a slot is given back")
        done = len(list(applied.store.names(keys.reports_of(10))))
        assert done >= 3, f"{done} members were through, and others still waited"
        found = applied.until_ended()
    told = applied.status["steps"]
    share = told["discarded"] / (told["productive"] + told["discarded"])
    print(f"{len(found.rounds)} rounds, {len(applied.history)} pods made, {share:.1%} discarded")
    assert [one.number for one in found.rounds] == list(range(1, 11)), applied.account(found)
    assert len(applied.history) <= 6 + len(applied.disrupted), applied.account(found)
    assert share <= 0.2  # 13 to 15 % where the machine has nothing else to do


def lost_of(applied: Applied) -> list[Body]:
    """The Events of pods that were taken away."""
    return [event for event in applied.events if event["reason"] == "Disrupted"]


def test_behind_a_quota_of_four_slots_are_kept_and_preempted_members_come_back(
    space: Space, queue: Queue, six: Archive
) -> None:
    """Another team's Workloads are queued behind it. What is decided is what six pods would have decided."""
    resources = {"requests": {"cpu": f"{MILLICORES}m"}}
    queue.grant(4)
    template = space.template("deterministic.py", grace_seconds=60, STEP_SECONDS="0.3")
    template = asking(template, resources, **{QUEUE: queue.name})
    applied = space.apply(space.population("queued", SIX, restart="InPlace", template=template))
    applied.until(lambda: len(running(applied)) == 4, "four are admitted")
    other = tenants(space, resources, number=8, seconds=60, **{QUEUE: queue.name})
    space.kubectl("create", "-f", "-", stdin=json.dumps(other))
    applied.until_round(2)
    gauge = Gauge(applied)

    def decided() -> bool:
        gauge.note()
        return bool(applied.status["rounds"] >= 6)

    applied.until(decided, "four more rounds are decided")
    print(f"{gauge.mean:.2f} pods on average, {gauge.least} at least")
    assert gauge.mean >= 3.9

    space.kubectl("delete", "pods", "--selector=tests.pbt.dev/tenant", "--wait=false")
    before = running(applied)
    logs = {uid: follow(applied, pod["metadata"]["name"]) for uid, pod in placed(applied).items()}
    for number in range(2):
        urgent = rival(space, queue.name)
        urgent["metadata"]["name"] = f"rival-{number}"
        space.kubectl("create", "-f", "-", stdin=json.dumps(urgent))
    applied.until(lambda: len(lost_of(applied)) == 2, "two are preempted")
    lost = lost_of(applied)
    assert all("Preempted" in event["note"] for event in lost)
    victims = {member for member in range(6) for event in lost if f"member {member} lost" in event["note"]}
    assert len(victims) == 2
    others = set(placed(applied))
    applied.until_round(applied.status["rounds"] + 1)
    assert set(placed(applied)) == others < set(before.values()), "two go on in their pods"
    space.kubectl("delete", "pods", "rival-0", "rival-1")
    applied.until(lambda: len(placed(applied)) == 4, "two more are admitted")
    assert others < set(placed(applied)), "nobody else's pod was touched"

    queue.grant(6)
    began = time.monotonic()
    applied.until(lambda: len(running(applied)) == 6, "each has its own pod", seconds=30)
    print(f"each had its own pod after {time.monotonic() - began:.1f} s")
    found = applied.until_ended()
    assert decisions(found) == decisions(six), applied.account(found)
    assert not {event["reason"] for event in applied.events} & {"Crashed", "MemberFailed", "TakeoverLate"}
    assert len(applied.history) <= 6 + len(applied.disrupted), applied.account(found)
    kept = {
        record.step for record in (*found.reports.values(), *found.saves.values()) if record.member in victims
    }
    ends = {uid: steps(log.communicate()[0])[-1] for uid, log in logs.items()}
    assert {step for uid, step in ends.items() if uid not in others} <= kept, (
        "they were saved where they were"
    )
