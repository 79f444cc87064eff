"""Members whose pods wait in a queue of a real Kueue: for a quota, and after something more important took it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.applied import Applied
from cluster.populations import SMALL, decisions, undecided
from cluster.space import RESTRICTED, Space
from cluster.test_steering import follow, steps
from cluster.watch import Body
from kindcluster import kueue
from pbt_contract.encoding import decode
from pbt_contract.keys import claim as claim_key
from pbt_contract.records import Cause, Claim
from pbt_operator.records.archive import Archive
from support.cluster import Cluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "kueue" / "queues.yaml"
GROUP = "kueue.x-k8s.io"
QUEUE = f"{GROUP}/queue-name"
PRIORITY = f"{GROUP}/priority-class"
MILLICORES = 50  # of each pod
HIGH = "urgent"


@pytest.fixture(scope="session")
def queues(cluster: Cluster) -> Iterator[None]:
    if cluster.faults is None:
        pytest.skip("Kueue is installed on this machine's own cluster only")
    with kueue.installed(cluster.faults.cluster):
        yield


@pytest.fixture
def queue(queues: None, space: Space) -> Iterator["Queue"]:
    made = Queue(space)
    yield made
    made.close()


class Queue:
    """A queue in the test's namespace, with a quota of its own."""

    def __init__(self, space: Space) -> None:
        self.space, self.name = space, "gpus"
        space.cluster.kubectl("label", "namespace", space.name, "=".join(kueue.MANAGED))
        flavor = self._resource("ResourceFlavor", space.name, {})
        priority = {**self._resource("WorkloadPriorityClass", HIGH, None), "value": 1000}
        local = self._resource("LocalQueue", self.name, {"clusterQueue": space.name})
        self._apply(flavor, priority, self._cluster_queue(slots=2), local)

    def grant(self, slots: int) -> None:
        """Sets how many pods of a population it admits."""
        self._apply(self._cluster_queue(slots=slots))

    @property
    def workloads(self) -> dict[str, Body]:
        """By the uid of its pod."""
        listed = self.space.get(f"workloads.{GROUP}")["items"]
        return {owner["uid"]: each for each in listed for owner in each["metadata"]["ownerReferences"]}

    @property
    def reserving(self) -> int:
        """How many Workloads hold a part of the quota."""
        return int(self.space.get(f"localqueues.{GROUP}", self.name)["status"]["reservingWorkloads"])

    def close(self) -> None:
        """Lets all that is left of it go."""
        self.space.kubectl("delete", "populations,pods", "--all", "--timeout=60s")
        self.space.kubectl("delete", f"workloads.{GROUP},localqueues.{GROUP}", "--all", "--timeout=60s")
        for kind in ("clusterqueues", "resourceflavors"):
            self.space.kubectl("delete", f"{kind}.{GROUP}", self.space.name, "--timeout=60s")

    def _apply(self, *resources: Body) -> None:
        self.space.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": resources})
        )

    def _cluster_queue(self, *, slots: int) -> Body:
        quota = {"name": "cpu", "nominalQuota": f"{slots * MILLICORES}m"}
        spec = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.space.name}},
            "queueingStrategy": "StrictFIFO",
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [
                {"coveredResources": ["cpu"], "flavors": [{"name": self.space.name, "resources": [quota]}]}
            ],
        }
        return self._resource("ClusterQueue", self.space.name, spec)

    def _resource(self, kind: str, name: str, spec: Mapping[str, Any] | None) -> Body:
        made = {"apiVersion": f"{GROUP}/v1beta2", "kind": kind, "metadata": {"name": name}}
        return {**made, **({} if spec is None else {"spec": spec})}


def queued(template: dict[str, Any], queue: str) -> dict[str, Any]:
    """A template whose pods wait in a queue."""
    (container,) = template["spec"]["containers"]
    resources = {"requests": {"cpu": f"{MILLICORES}m"}}
    pod = {**template["spec"], "containers": [{**container, "resources": resources}]}
    return {"metadata": {"labels": {QUEUE: queue}}, "spec": pod}


def rival(space: Space, queue: str) -> Body:
    """Another team's pod, which is more important."""
    resources = {"requests": {"cpu": f"{MILLICORES}m"}}
    container = {"name": "rival", "image": space.cluster.trainer_image, "command": ["sleep", "600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "rival", "labels": {QUEUE: queue, PRIORITY: HIGH}},
        "spec": {
            "containers": [{**container, "resources": resources, "securityContext": RESTRICTED}],
            "terminationGracePeriodSeconds": 1,
        },
    }


def running(applied: Applied) -> dict[int, str]:
    """The uids of pods that were started, by member."""
    live = applied.live.items()
    return {member: pod["metadata"]["uid"] for member, pod in live if pod["status"].get("phase") == "Running"}


def gated(applied: Applied) -> list[int]:
    """The members whose pods wait for their queue."""
    return [
        member
        for member, pod in applied.live.items()
        if any(c["reason"] == "SchedulingGated" for c in pod["status"].get("conditions", ()) if "reason" in c)
    ]


def newest_claimed(applied: Applied, found: Archive, member: int, *, pod: str) -> int:
    """The last incarnation of a member that the process of a pod lived."""
    keys = (claim_key(*life) for life in found.claimed if life.member == member)
    claims = [decode(Claim, applied.store.read(key), key=key) for key in keys]
    return max(claim.incarnation for claim in claims if claim.pod == pod)


def test_the_queues_of_the_example_are_what_kueue_takes(cluster: Cluster, queues: None) -> None:
    told = cluster.kubectl("apply", "--dry-run=server", "-f", str(EXAMPLE)).stdout
    assert told.count("created (server dry run)") == 4


def test_a_quota_admits_pods_one_by_one_and_a_preempted_member_resumes_from_its_save(
    space: Space, queue: Queue, local: Archive
) -> None:
    """Each pod has a Workload of its own. What is decided is what would have been decided without a queue."""
    template = queued(space.template("deterministic.py", grace_seconds=60, STEP_SECONDS="0.5"), queue.name)
    applied = space.apply(space.population("queued", SMALL, restart="InPlace", template=template))
    applied.until(lambda: len(running(applied)) == 2 and len(gated(applied)) == 2, "two of four are admitted")
    uids = {pod["metadata"]["uid"] for pod in applied.live.values()}
    applied.until(lambda: set(queue.workloads) == uids, "each pod has its Workload")
    first = running(applied)

    queue.grant(4)
    applied.until(lambda: len(running(applied)) == 4, "all are admitted")
    before = running(applied)
    assert first.items() <= before.items()
    assert set(before.values()) == uids, "those that had waited, not others in their place"

    applied.until_round(1)
    logs = {pod["metadata"]["uid"]: follow(applied, pod["metadata"]["name"]) for pod in applied.pods}
    space.kubectl("create", "-f", "-", stdin=json.dumps(rival(space, queue.name)))
    applied.until_event("Disrupted")
    (lost,) = (event for event in applied.events if event["reason"] == "Disrupted")
    assert "Preempted" in lost["note"]
    (victim,) = (member for member in before if f"member {member} lost" in lost["note"])
    others = {uid for member, uid in before.items() if member != victim}
    applied.until(lambda: gated(applied) == [victim], "its next pod waits in the queue")
    assert others <= set(running(applied).values())
    space.kubectl("delete", "pod", "rival")
    applied.until(lambda: victim in running(applied), "it is admitted")
    assert others <= set(running(applied).values()), "nobody else's pod was touched"
    printed = steps(logs.pop(before[victim]).communicate()[0])

    applied.patch(suspend=True)
    applied.until_condition("Suspended")
    applied.until(lambda: queue.reserving == 0, "the quota is free")
    applied.patch(suspend=False)
    found = applied.until_ended()
    came_back = found.births[victim, newest_claimed(applied, found, victim, pod=before[victim]) + 1]
    if came_back.cause is Cause.RESUME:  # else a round was decided while it left, and it copies a donor
        assert came_back.start_step == printed[-1], "it was saved where it was"
    assert {event["reason"] for event in applied.events} & {"Crashed", "MemberFailed"} == set()
    assert {one.cause for one in undecided(found)} == {Cause.RESUME}, applied.account(found)
    assert decisions(found) == decisions(local), applied.account(found)
    for log in logs.values():
        log.communicate()
