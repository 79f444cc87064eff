"""Hostile Populations, pods and records beside an honest Population: the operator serves the honest one to its end."""

import json
import ssl
import sys
import urllib.request
from typing import Any

import yaml

from fixtures.manifests import DETERMINISTIC
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_operator.core.location_records import OwnerRecord
from pbt_operator.runners.kubernetes.handlers import RECURSION_LIMIT
from service.hostile.texts import ESCAPES, SMUGGLED, assert_plain

SMALL: dict[str, Any] = {
    "members": 2,
    "schedule": {"totalSteps": 30, "intervalSteps": 10, "quorumPercent": 100},
}


def send(world, team, text):
    """Creates a Population from JSON that no client would write."""
    request = urllib.request.Request(
        f"{world.api.url}/apis/pbt.dev/v1alpha1/namespaces/{team.name}/populations",
        data=text.encode(),
        headers={"Authorization": f"Bearer {world.api.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(
        request, context=ssl.create_default_context(cafile=str(world.api.ca))
    ) as answer:
        assert answer.status == 201


def completes(team):
    team.wait("honest", "Complete", "True", "AllStepsDone")
    team.archive("honest")


def test_a_population_that_no_recursion_can_read_blinds_the_operator_to_no_other(world, team):
    body = {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": "deep"},
        "spec": {**DETERMINISTIC, "template": {"spec": "HERE"}},
    }
    sys.setrecursionlimit(RECURSION_LIMIT)  # for the test to read it
    deep = '{"a":' * 9_900 + "1" + "}" * 9_900
    send(world, team, json.dumps(body).replace('"HERE"', deep))
    told = team.wait("deep", "Accepted", "False", "InvalidSpec")
    assert "spec.template.spec.a.a" in told["message"]
    assert "nested more than 64 levels deep" in told["message"]
    team.create("honest", **SMALL)
    completes(team)
    world.operator.end()
    world.operator.start()  # it lists all there is, and is ready
    team.delete("deep")
    team.until(lambda: team.read("deep") is None)


def test_pods_of_another_namespace_are_no_pods_of_a_population_whatever_their_labels(world, team):
    other = f"{team.name}-other"
    team.core.create_namespace({"metadata": {"name": other}})
    uid = team.create("honest", **SMALL, step_seconds=0.05)["metadata"]["uid"]
    for number, member in enumerate((99_999, 7)):
        labels = {
            "app.kubernetes.io/managed-by": "pbt-operator",
            "pbt.dev/population": "honest",
            "pbt.dev/population-uid": uid,
            "pbt.dev/member": str(member),
            "pbt.dev/incarnation": "1",
        }
        variable = {"name": "PBT_LOCATION", "value": "x"}
        container = {"name": "trainer", "image": "x", "command": ["sleep", "600"], "env": [variable]}
        for namespace in [other, team.name][: 1 + number]:
            metadata = {"name": f"forged-{member}", "labels": labels}
            team.core.create_namespaced_pod(
                namespace, {"metadata": metadata, "spec": {"containers": [container]}}
            )
    completes(team)
    forged = {pod.metadata.name for pod in team.core.list_namespaced_pod(other).items}
    assert forged == {"forged-99999", "forged-7"}, "they aren't the operator's to delete either"
    team.core.delete_collection_namespaced_pod(other)
    world.node.doubled.clear()  # a pod that claims to be member 7's is there beside the real one


FORGED_OWNER = OwnerRecord(number=3, uid="u", name="x", namespace="y")
UNREADABLE = {
    "round": (keys.round_(1), b"{" + ESCAPES.encode(), "RecordRefused", keys.round_(1)),
    "birth": (keys.birth(1, 2), b"[]", "RecordRefused", keys.birth(1, 2)),
    "owner": (keys.owner(9), b'{"format": 1, "number": 9, "uid": 5}', "RecordRefused", keys.owner(9)),
    "gap": (keys.owner(3), encode(FORGED_OWNER), "RecordMissing", keys.owner(2)),
}


def test_a_record_that_cannot_be_read_is_told_in_conditions_and_other_populations_go_on(world, team):
    for name in UNREADABLE:
        team.create(name, **SMALL, suspend=True)
    for name, (key, data, _, _) in UNREADABLE.items():
        team.wait(name, "StorageReady", "True")
        team.store(name).create(key, data)
        team.change(name, suspend=False)
    world.operator.end()
    world.operator.start()
    team.create("honest", **SMALL)
    for name, (_, _, reason, key) in UNREADABLE.items():
        told = team.wait(name, "StorageReady", "False", reason)
        assert key in told["message"]
        assert "restore" in told["message"]
        assert_plain(told["message"])
        for kind, message in team.events(name):
            assert_plain(f"{kind} {message}")
    completes(team)


LAST_WORDS = f"import sys; sys.stderr.write({ESCAPES + SMUGGLED!r}); sys.exit(3)"


def test_what_a_trainer_prints_reaches_events_conditions_and_the_log_in_plain_text(world, team):
    command = ["python", "-c", LAST_WORDS]
    team.create("rude", **{**SMALL, "members": 1, "backoffLimit": 0}, command=command)
    team.wait("rude", "Failed", "True")
    body = team.read("rude")
    assert_plain(yaml.safe_dump(body["status"], allow_unicode=True))
    for reason, message in team.events("rude"):
        assert_plain(f"{reason} {message}")
    lines = [line for line in world.operator.log.read_text().splitlines() if team.name in line]
    assert any("MemberFailed" in line for line in lines)
    for line in lines:
        assert_plain(line)
