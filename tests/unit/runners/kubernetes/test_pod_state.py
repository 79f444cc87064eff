"""What a pod's resource says about its trainer: the states that a cluster really shows."""

from datetime import datetime
from typing import Any

import pytest

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS, population_of, read
from pbt_operator.runners.kubernetes.pod_troubles import IMAGE, NAMED

DELETED = "2026-03-01T12:00:00Z"
DELETED_AT = 1772366400.0
LABELS = {"pbt.dev/population-uid": "u1", "pbt.dev/member": "3", "pbt.dev/incarnation": "12"}
SPEC = {
    "containers": [
        {"name": "a-proxy", "image": "proxy"},
        {"name": "main", "image": "trainer", "env": [{"name": "PBT_LOCATION", "value": "s3://b/x"}]},
    ]
}


def body(
    phase: str = "Running",
    *,
    trainer: dict[str, Any] | None = None,
    sidecar: dict[str, Any] | None = None,
    deleted: str | None = None,
    labels: dict[str, str] = LABELS,
    conditions: tuple[dict[str, str], ...] = (),
    **status: str,
) -> dict[str, Any]:
    """A pod with a sidecar before its trainer, in the given states."""
    states = {"a-proxy": sidecar, "main": trainer}
    told = [{"name": name, "state": state} for name, state in states.items() if state is not None]
    metadata = {"name": "digits-3-12", "uid": "p1", "labels": labels}
    return {
        "metadata": {**metadata, **({"deletionTimestamp": deleted} if deleted else {})},
        "spec": SPEC,
        "status": {"phase": phase, "containerStatuses": told, "conditions": list(conditions), **status},
    }


def pod(phase: Phase, **known: Any) -> Pod:
    return Pod(name="digits-3-12", uid="p1", member=3, incarnation=12, phase=phase, **known)


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


RUNNING: dict[str, Any] = {"running": {"startedAt": DELETED}}
UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/2 nodes are available",
}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "blocked"}
SCHEDULED = {"type": "PodScheduled", "status": "True"}
DISRUPTION = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
CLEARED = {**DISRUPTION, "status": "False"}
KUEUE = {
    "type": "TerminationTarget",
    "status": "True",
    "reason": "WorkloadEvictedDueToPreempted",
    "message": "Preempted to accommodate a workload (UID: 1, JobUID: 2) due to prioritization in the ClusterQueue; "
    "preemptor path: /research; preemptee path: /research",
}
READY = tuple(
    {"type": kind, "status": "True"}
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
)

STATES = {
    "just created": (body("Pending"), pod(Phase.PENDING)),
    "unschedulable": (
        body("Pending", conditions=(UNSCHEDULED,)),
        pod(Phase.PENDING, message="Unschedulable: 0/2 nodes are available"),
    ),
    "gated": (body("Pending", conditions=(GATED,)), pod(Phase.PENDING, message="SchedulingGated: blocked")),
    "its image is pulled": (
        body("Pending", trainer=waiting("ContainerCreating"), conditions=(SCHEDULED,)),
        pod(Phase.PENDING),
    ),
    "init containers run": (body("Pending", trainer=waiting("PodInitializing")), pod(Phase.PENDING)),
    "no such image": (
        body("Pending", trainer=waiting("ImagePullBackOff", 'Back-off pulling image "x"')),
        pod(Phase.PENDING, message='ImagePullBackOff: Back-off pulling image "x"', remedy=IMAGE, stuck=True),
    ),
    "no such secret": (
        body("Pending", trainer=waiting("CreateContainerConfigError", 'secret "s3" not found')),
        pod(
            Phase.PENDING,
            message='CreateContainerConfigError: secret "s3" not found',
            remedy=NAMED,
            stuck=True,
        ),
    ),
    "a sidecar's image is missing": (
        body("Pending", trainer=waiting("ContainerCreating"), sidecar=waiting("ErrImagePull")),
        pod(Phase.PENDING),
    ),
    "runs": (body(trainer=RUNNING, sidecar=RUNNING), pod(Phase.RUNNING)),
    "runs, and may be preempted soon": (body(trainer=RUNNING, conditions=(DISRUPTION,)), pod(Phase.RUNNING)),
    "all its containers restart": (
        body("Pending", trainer=waiting("RestartingAllContainers"), conditions=(SCHEDULED,)),
        pod(Phase.PENDING, message="RestartingAllContainers"),
    ),
    "terminating": (body(trainer=RUNNING, deleted=DELETED), pod(Phase.RUNNING, stopping=True)),
    "deleted before it had a node": (body("Pending", deleted=DELETED), pod(Phase.PENDING, stopping=True)),
    "done": (body("Succeeded", trainer=ended(0, "Completed")), pod(Phase.ENDED, exit_code=0)),
    "done, the sidecar runs on": (
        body(trainer=ended(0, "Completed"), sidecar=RUNNING),
        pod(Phase.ENDED, exit_code=0),
    ),
    "the sidecar is done, the trainer runs on": (
        body(trainer=RUNNING, sidecar=ended(0, "Completed")),
        pod(Phase.RUNNING),
    ),
    "a user's error": (
        body("Failed", trainer=ended(1, message="boom\n")),
        pod(Phase.ENDED, exit_code=1, message="boom"),
    ),
    "no claim": (body("Failed", trainer=ended(81)), pod(Phase.ENDED, exit_code=81)),
    "no store": (body("Failed", trainer=ended(82)), pod(Phase.ENDED, exit_code=82)),
    "left at SIGTERM": (
        body("Failed", trainer=ended(143), deleted=DELETED),
        pod(Phase.ENDED, exit_code=143, stopping=True),
    ),
    "killed after its grace period": (
        body("Failed", trainer=ended(137), deleted=DELETED),
        pod(Phase.ENDED, exit_code=137, stopping=True),
    ),
    "killed by nobody we know": (body("Failed", trainer=ended(137)), pod(Phase.ENDED, exit_code=137)),
    "out of memory": (
        body("Failed", trainer=ended(137, "OOMKilled")),
        pod(
            Phase.ENDED,
            exit_code=137,
            message="killed for memory (OOMKilled): raise resources.limits.memory",
            out_of_memory=True,
        ),
    ),
    **{
        f"evicted for its own fault: {words[:20]}": (
            body("Failed", trainer=ended(137), reason="Evicted", message=words),
            pod(Phase.ENDED, message=f"Evicted: {words}"),
        )
        for words in (
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            'Container trainer exceeded its local ephemeral storage limit "1Gi". ',
            'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". ',
        )
    },
    "evicted, for its node is full": (
        body(
            "Failed",
            trainer=ended(137),
            reason="Evicted",
            message="The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0. Container "
            "trainer was using 2Gi, request is 0, has larger consumption of ephemeral-storage. ",
        ),
        pod(Phase.ENDED, exit_code=137, disrupted=True, message="Evicted"),
    ),
    "preempted": (
        body("Failed", trainer=ended(143), conditions=(DISRUPTION,), deleted=DELETED),
        pod(Phase.ENDED, exit_code=143, disrupted=True, stopping=True, message="PreemptionByScheduler"),
    ),
    "the preemption was called off before it failed": (
        body("Failed", trainer=ended(1), conditions=(CLEARED,)),
        pod(Phase.ENDED, exit_code=1),
    ),
    "evicted by Kueue": (
        body("Failed", trainer=ended(143), conditions=(KUEUE,), deleted=DELETED),
        pod(Phase.ENDED, exit_code=143, disrupted=True, stopping=True, message=KUEUE["reason"]),
    ),
    "evicted by Kueue, its trainer saves": (
        body(trainer=RUNNING, conditions=(KUEUE, *READY), deleted=DELETED),
        pod(Phase.RUNNING, disrupted=True, stopping=True, message=KUEUE["reason"]),
    ),
    "evicted by Kueue before it started": (
        body("Pending", trainer=waiting("ContainerCreating"), conditions=(KUEUE, SCHEDULED), deleted=DELETED),
        pod(Phase.PENDING, disrupted=True, stopping=True, message=KUEUE["reason"]),
    ),
    "evicted by its node": (
        body("Failed", trainer=ended(137), reason="Evicted", message="low on memory"),
        pod(Phase.ENDED, exit_code=137, disrupted=True, message="Evicted"),
    ),
    "its node was gone when it ended": (
        body("Failed", trainer=ended(137, "ContainerStatusUnknown")),
        pod(Phase.ENDED, exit_code=137, disrupted=True, message="NodeRestarted"),
    ),
    **{
        f"its node could not start it: {words[:40]}": (
            body("Failed", trainer=ended(128, "StartError", f"failed to create containerd task: {words}")),
            pod(
                Phase.ENDED,
                exit_code=128,
                disrupted=is_nobodys,
                message=f"failed to create containerd task: {words}",
            ),
        )
        for words, is_nobodys in (
            ("failed to create shim task: context deadline exceeded", True),
            ("OCI runtime create failed: error setting cgroup config: unable to freeze", True),
            ("mkdir /run/containerd/io.containerd.runtime: no space left on device", True),
            ("nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1", True),
            ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0", False),
            ('exec: "pyhton": executable file not found in $PATH', False),
            ("unable to set memory limit to 1048576 (current usage: 3145728)", False),
        )
    },
    "a trainer that says so itself": (
        body("Failed", trainer=ended(1, message="OSError: [Errno 28] no space left on device")),
        pod(Phase.ENDED, exit_code=1, message="OSError: [Errno 28] no space left on device"),
    ),
    "removed before it started": (
        body("Failed", trainer=waiting("ContainerCreating")),
        pod(Phase.ENDED),
    ),
    **{
        f"never started: {reason}": (
            body("Failed", reason=reason, message="Pod was rejected"),
            pod(Phase.ENDED, disrupted=True, message=f"{reason}: Pod was rejected"),
        )
        for reason in (
            "Evicted", "NodeShutdown", "Terminated", "UnexpectedAdmissionError", "NodeAffinity",
            "OutOfnvidia.com/gpu", "OutOfcpu",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_pod_is_what_its_trainer_does(state):
    given, expected = STATES[state]
    found = read(given)
    assert found is not None
    assert found.pod == expected


@pytest.mark.parametrize(
    ("given", "alive"),
    [
        (body(trainer=RUNNING), True),
        (body(trainer=ended(0, "Completed"), sidecar=RUNNING), True),
        (body("Succeeded", trainer=ended(0, "Completed")), False),
        (body("Failed", reason="Evicted"), False),
    ],
)
def test_only_a_pod_that_is_over_has_nothing_that_may_run(given, alive):
    found = read(given)
    assert found is not None
    assert found.alive is alive


@pytest.mark.parametrize(
    ("state", "after", "lost"),
    [
        (body(trainer=RUNNING, deleted=DELETED), LOST_AFTER_SECONDS - 1, False),
        (body(trainer=RUNNING, deleted=DELETED), LOST_AFTER_SECONDS + 1, True),
        (body("Pending", deleted=DELETED), LOST_AFTER_SECONDS + 1, True),
        (body("Failed", trainer=ended(143), deleted=DELETED), 1e6, False),
        (body(trainer=RUNNING), 1e12, False),
    ],
)
def test_a_pod_is_lost_that_outlives_its_deletion(state, after, lost):
    """The deletion's time holds the grace period already."""
    found = read(state)
    assert found is not None
    assert found.is_lost(DELETED_AT + after) is lost


def test_who_was_accounted_for_says_so():
    settled, fresh = (read(body(labels={**LABELS, **more})) for more in ({"pbt.dev/settled": "true"}, {}))
    assert settled is not None
    assert fresh is not None
    assert (settled.settled, fresh.settled) == (True, False)


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"pbt.dev/population-uid": "u1"},
        {**LABELS, "pbt.dev/member": "first"},
        {**LABELS, "pbt.dev/incarnation": ""},
    ],
)
def test_foreign_labels_are_no_members_pod(labels):
    assert read(body(labels=labels)) is None


def test_a_pod_names_its_population():
    assert population_of(body()) == "u1"
    assert population_of(body(labels={})) is None


def test_a_pod_that_has_no_status_yet_waits():
    found = read({"metadata": body()["metadata"], "spec": SPEC})
    assert found is not None
    assert found.pod == pod(Phase.PENDING)


@pytest.mark.parametrize(
    ("condition", "unplaced", "placed"),
    [
        ({**UNSCHEDULED, "lastTransitionTime": "2026-01-01T00:00:10Z"}, 20.0, None),
        ({**GATED, "lastTransitionTime": "2026-01-01T00:00:00Z"}, 30.0, None),
        ({**GATED, "reason": "SomethingElse", "lastTransitionTime": "2026-01-01T00:00:00Z"}, None, None),
        ({**SCHEDULED, "lastTransitionTime": "2026-01-01T00:00:25Z"}, None, 5.0),
        (
            {**SCHEDULED, "lastTransitionTime": "2026-01-01T00:01:00Z"},
            None,
            0.0,
        ),  # its clock is ahead of ours
        (SCHEDULED, None, None),
    ],
)
def test_for_how_long_a_pod_has_had_no_place_is_what_the_scheduler_says(condition, unplaced, placed):
    found = read(body("Pending", conditions=(condition,)))
    assert found is not None
    now = datetime.fromisoformat("2026-01-01T00:00:30Z").timestamp()
    told = found.as_of(now)
    assert (told.unplaced_for, told.placed_for) == (unplaced, placed)
