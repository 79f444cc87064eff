"""A webhook that has a say in pods and is away: it holds up new pods, and no change that asks for none."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from kubernetes import client

SCHEDULE = {"totalSteps": 100_000, "intervalSteps": 20, "quorumPercent": 100}
ENDLESS: dict[str, Any] = {"members": 2, "schedule": SCHEDULE, "step_seconds": 0.05, "restart": "InPlace"}
NOWHERE = "https://127.0.0.1:1/pods"  # nothing listens there


@pytest.fixture
def no_pods(team) -> Iterator[Any]:
    """Makes creations of pods in the namespace fail, as they do where a queue's webhook is away."""
    hooks = client.AdmissionregistrationV1Api(team.core.api_client)
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    webhook = {
        "name": "pods.tests.pbt.dev",
        "clientConfig": {"url": NOWHERE},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.name}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe", "image": "probe"}]}}

    def refused() -> bool:
        try:
            team.core.create_namespaced_pod(team.name, probe, dry_run="All")
        except client.ApiException as error:
            return "failed calling webhook" in error.body
        return False

    def cut() -> None:
        hooks.create_validating_webhook_configuration(
            {"metadata": {"name": team.name}, "webhooks": [webhook]}
        )
        team.until(refused)

    def mend() -> None:
        hooks.delete_validating_webhook_configuration(team.name)
        team.until(lambda: not refused())

    yield cut, mend
    if any(found.metadata.name == team.name for found in hooks.list_validating_webhook_configuration().items):
        mend()


def training(team, *, beyond=0):
    return team.until(lambda: (team.read("queued").get("status") or {}).get("rounds", 0) > beyond)


@pytest.mark.parametrize("restarts", [False, True], ids=["the operator stays", "the operator starts anew"])
def test_what_asks_for_no_new_pods_counts_at_once(world, team, no_pods, restarts):
    cut, mend = no_pods
    body = team.create("queued", **ENDLESS)
    training(team)
    cut()
    if restarts:
        world.operator.end()
        world.operator.start()
    training(team, beyond=team.read("queued")["status"]["rounds"] + 1)
    team.change("queued", suspend=True)
    team.wait("queued", "Suspended", "True")
    template = deepcopy(body["spec"]["template"])
    template["spec"]["containers"][0]["env"].append({"name": "NEW", "value": "$(OLD)"})
    before = len(world.operator.log.read_text())
    team.change("queued", suspend=False, template=template)
    log = world.operator.log
    team.until(lambda: "failed calling webhook" in log.read_text()[before:])
    assert team.condition("queued", "Suspended")["status"] == "True"
    rounds = team.read("queued")["status"]["rounds"]
    mend()
    team.wait("queued", "Suspended", "False")
    training(team, beyond=rounds)
