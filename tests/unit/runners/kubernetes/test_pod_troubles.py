"""What keeps a trainer from starting: pods as a kubelet of Kubernetes 1.34 shows them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.pod_state import PodState, read
from pbt_operator.runners.kubernetes.pod_troubles import DEADLINE_WORDS, IMAGE, NAMED, REMEDIES

BEGAN = "2026-03-01T12:00:00Z"
NOW = datetime.fromisoformat("2026-03-01T12:59:30Z").timestamp()
INITIALIZING: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
CREATING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
RUNS: dict[str, Any] = {"running": {"startedAt": BEGAN}}
DONE: dict[str, Any] = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def failed(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def state_of(
    phase: str = "Pending",
    trainer: dict[str, Any] = INITIALIZING,
    *,
    fetch: dict[str, Any] | None = None,
    proxy: dict[str, Any] | None = None,
    logger: dict[str, Any] | None = None,
    ready: str = "True",
    **status: Any,
) -> PodState:
    """A pod with an init container, a native sidecar after it, and a plain one; each as its status says."""
    initial = [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}]
    statuses = [{"name": n, **s} for n, s in (("fetch", fetch), ("proxy", proxy)) if s is not None]
    mine = {"name": "trainer", "env": [{"name": "PBT_LOCATION", "value": "s3://b/p"}]}
    conditions = [
        {"type": "PodReadyToStartContainers", "status": ready, "lastTransitionTime": BEGAN},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": BEGAN},
    ]
    containers = [{"name": "trainer", "state": trainer}]
    containers += [{"name": "logger", "state": logger}] if logger is not None else []
    found = read(
        {
            "metadata": {
                "name": "x-0-1",
                "uid": "u",
                "labels": {"pbt.dev/member": "0", "pbt.dev/incarnation": "1"},
            },
            "spec": {
                "initContainers": initial if fetch is not None else [],
                "containers": [mine, {"name": "logger"}],
            },
            "status": {
                "phase": phase,
                "conditions": conditions,
                "initContainerStatuses": statuses,
                "containerStatuses": containers,
                **status,
            },
        }
    )
    assert found is not None
    return found


def pod(**found: Any) -> Pod:
    return state_of(**found).as_of(NOW)


@pytest.mark.parametrize(
    ("found", "message", "remedy"),
    [
        (
            {"fetch": {"state": waits("ImagePullBackOff", 'Back-off pulling image "tools:1"')}},
            'init container fetch: ImagePullBackOff: Back-off pulling image "tools:1"',
            IMAGE,
        ),
        (
            {"fetch": {"state": waits("CreateContainerConfigError", 'secret "s" not found')}},
            'init container fetch: CreateContainerConfigError: secret "s" not found',
            NAMED,
        ),
        (
            {"fetch": {"state": DONE}, "proxy": {"state": waits("ErrImagePull", "no such image")}},
            "sidecar proxy: ErrImagePull: no such image",
            IMAGE,
        ),
        (
            {
                "fetch": {"state": DONE},
                "proxy": {
                    "state": waits("CrashLoopBackOff", "back-off 40s restarting failed container=proxy"),
                    "lastState": failed(2, message="bad flag: --listn\n"),
                    "restartCount": 3,
                    "started": False,
                },
            },
            "sidecar proxy ended with exit code 2 3 times: bad flag: --listn",
            "see kubectl logs x-0-1 -c proxy",
        ),
        (
            {"trainer": waits("ErrImageNeverPull", "not present")},
            "ErrImageNeverPull: not present",
            IMAGE,
        ),
    ],
)
def test_what_no_waiting_cures_is_named_with_its_remedy_and_the_deadline_counts(found, message, remedy):
    shown = pod(**found)
    assert (shown.phase, shown.message, shown.remedy, shown.stuck) == (Phase.PENDING, message, remedy, True)
    assert shown.slow == ""


@pytest.mark.parametrize(
    ("found", "slow"),
    [
        ({"fetch": {"state": RUNS}}, "init container fetch has run for 59 min"),
        (
            {"fetch": {"state": DONE}, "proxy": {"state": RUNS, "started": False}},
            "sidecar proxy hasn't passed its startup probe for 59 min",
        ),
        (
            {"trainer": CREATING, "ready": "False"},
            "its volumes or its network have not been ready for 59 min (see kubectl describe pod x-0-1)",
        ),
        (
            {"trainer": CREATING},
            "its images have been pulled and its containers made for 59 min (see kubectl describe pod x-0-1)",
        ),
        (
            {"fetch": {"state": CREATING}, "ready": "False"},
            "its volumes or its network have not been ready for 59 min (see kubectl describe pod x-0-1)",
        ),
    ],
)
def test_what_only_takes_long_is_told_with_its_age_and_is_no_fault(found, slow):
    shown = pod(**found)
    assert (shown.phase, shown.message, shown.stuck, shown.slow) == (Phase.PENDING, "", False, slow)
    assert state_of(**found).as_of(NOW - 59 * 60).slow == "", "a minute is nothing"


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (
            failed(42, message="dataset not found: s3://data/v2\n"),
            "init container fetch ended with exit code 42: dataset not found: s3://data/v2",
        ),
        (failed(137, "OOMKilled"), "init container fetch ended with exit code 137 (OOMKilled)"),
    ],
)
def test_an_init_container_that_failed_is_the_reason_of_its_pods_end(ended, message):
    shown = pod(phase="Failed", fetch={"state": ended})
    assert (shown.phase, shown.exit_code, shown.message, shown.disrupted, shown.unstarted) == (
        Phase.ENDED,
        None,
        message,
        False,
        True,
    )
    assert not pod(phase="Failed", trainer=failed(1), fetch={"state": failed(0)}).unstarted


def test_every_reason_and_its_remedy_stand_in_the_page_of_failures():
    page = (Path(__file__).parents[4] / "docs" / "failures.md").read_text()
    remedies = {**REMEDIES, **dict([DEADLINE_WORDS.split(": ", 1)])}
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for reason, remedy in remedies.items():
        assert any(reason in row and f"| {remedy} |" in row for row in rows), reason


def test_the_pods_own_deadline_is_the_templates_fault_unless_its_trainer_was_through():
    over = {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer"}
    shown = pod(trainer=failed(143), **over)
    assert (shown.phase, shown.exit_code, shown.message) == (Phase.ENDED, None, DEADLINE_WORDS)
    assert not shown.disrupted
    assert pod(trainer=DONE, **over).exit_code == 0


def test_a_trainer_that_runs_has_run_for_a_while_and_shows_a_sidecars_trouble():
    shown = pod(phase="Running", trainer=RUNS, logger=waits("ImagePullBackOff", "no such image"))
    assert (shown.phase, shown.running_for, shown.stuck) == (Phase.RUNNING, 3570.0, False)
    assert shown.message == "container logger: ImagePullBackOff: no such image"
    assert pod(phase="Running", trainer=RUNS, logger=RUNS).message == ""
