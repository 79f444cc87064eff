"""Hostile manifests at a real API server: what it admits the operator drives, or refuses in `Accepted`."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from kubernetes import client, config

from fixtures.wrong_manifests import GOOD
from pbt_operator.control.events import Event
from pbt_operator.core import births
from pbt_operator.manifest.population import to_core
from pbt_operator.runners.kubernetes.admission import Rejected, examine, try_template
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_runner import ClusterRunner
from pbt_operator.runners.kubernetes.conditions import Condition, merged
from pbt_operator.runners.kubernetes.config import OperatorConfig, StoreConfig
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.pod_template import Owner
from service.hostile.texts import ESCAPES, TEXTS, assert_plain, spoilt
from support.apiserver import ApiServer

POPULATIONS = "/apis/pbt.dev/v1alpha1/namespaces/default/populations"
MOST_BYTES = 3 * 1024 * 1024  # of a request, as the API server takes it
CONFIG = OperatorConfig(
    stores=(
        StoreConfig(
            name="default", bucket="experiments", prefix="pbt", credentials="/etc/pbt/stores/default"
        ),
    )
)
SPEC = {
    **GOOD["spec"],
    "initial": [{"lr": 0.5, "optimizer": "sgd"}],
    "strategy": "Explicit",
    "exploit": {"truncation": {"percent": 25}},
    "storage": {"prefix": "team", "credentialsSecretRef": {"name": "s3"}},
    "template": {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {
            "serviceAccountName": "trainer",
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [
                {
                    "name": "trainer", "image": "x", "command": ["true"], "env": [{"name": "A",
                    "value": "$(PBT_MEMBER)"}],
                    "resources": {"limits": {"nvidia.com/gpu": 1}}, "volumeMounts": [{"name": "data",
                    "mountPath": "/data"}],
                },
                {"name": "sidecar", "image": "y"},
            ],
        },
    },
}  # fmt: skip
MANIFEST = {**GOOD, "spec": SPEC}


@pytest.fixture(scope="module")
def connection(apiserver: ApiServer) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(apiserver.kubeconfig)) as found:
        yield found


@pytest.fixture(scope="module")
def api(connection: client.ApiClient) -> Api:
    return Api(connection)


def admitted(api: Api, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The Population as the API server would store it; None if it refuses it in plain words."""
    try:
        return api._connection.request("POST", POPULATIONS, {"dryRun": "All"}, body=manifest)
    except ApiRefused:
        return None
    except ApiUnavailable:
        assert len(json.dumps(manifest)) > MOST_BYTES  # it hangs up on whoever sends more
        return None


def accepted(api: Api, body: dict[str, Any]) -> str:
    """What the operator says of it: empty, or the message of `Accepted`, which is fit to be shown."""
    owner = Owner(
        name=body["metadata"]["name"], namespace="default", uid="0a1b2c3d-0000-4000-8000-000000000000"
    )
    try:
        spec = examine(body)
        render = ClusterRunner(owner, config=CONFIG, api=api).renderer(spec)
        try_template(spec, api=api, namespace="default", render=render)
    except Rejected as rejected:
        [condition] = merged(
            [], [Condition("Accepted", "False", rejected.reason, rejected.message)], generation=1, time="t"
        )
        assert_plain(condition["message"])
        assert condition["message"]
        return str(condition["message"])
    pod = render(births.first(to_core(spec), member=0))
    check_pod(pod, body)
    return ""


def check_pod(pod: dict[str, Any], body: dict[str, Any]) -> None:
    """It is a pod of its own namespace and owner, and holds nothing of the operator's."""
    assert pod["metadata"]["namespace"] == "default"
    [owner] = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == (
        "Population",
        body["metadata"]["name"],
        True,
    )
    assert pod["spec"]["restartPolicy"] == "Never"
    assert "/etc/pbt/stores" not in json.dumps(pod)
    secrets = {v["secret"].get("secretName") for v in pod["spec"].get("volumes", ()) if v.get("secret")}
    mine = body["spec"].get("storage", {}).get("credentialsSecretRef") or {}
    template = json.dumps(body["spec"]["template"])
    assert all(secret == mine.get("name") or json.dumps(secret) in template for secret in secrets)
    assert pod["spec"].get("serviceAccountName") == body["spec"]["template"]["spec"].get("serviceAccountName")


def sendable(tree: Any) -> bool:
    """Whether a client could send it at all."""
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return (
        isinstance(tree, dict)
        and tree.get("apiVersion") == GOOD["apiVersion"]
        and tree.get("kind") == "Population"
    )


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(spec=spoilt(SPEC))
def test_what_the_api_server_admits_is_driven_or_refused_in_accepted(api: Api, spec: Any) -> None:
    manifest = {**GOOD, "spec": spec}
    assume(sendable(manifest))
    body = admitted(api, manifest)
    event("refused by the server" if body is None else "admitted")
    if body is not None:
        told = accepted(api, body)
        event("driven" if not told else "refused in Accepted")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(template=spoilt(SPEC["template"], changes=2))
def test_no_template_breaks_the_operator(api: Api, template: Any) -> None:
    manifest = deepcopy(MANIFEST)
    manifest["spec"]["template"] = template
    assume(sendable(manifest))
    body = admitted(api, manifest)
    if body is not None:
        accepted(api, body)


@pytest.mark.parametrize(
    "path", ["metadata.name", "spec.storage.prefix", "spec.storage.adopt", "spec.storage.store"]
)
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:30])
def test_no_name_leads_out(api: Api, path: str, text: str) -> None:
    manifest = deepcopy(MANIFEST)
    *parents, last = path.split(".")
    home = manifest
    for part in parents:
        home = home[part]
    home[last] = text
    assume_sendable = sendable(manifest)
    if not assume_sendable:
        return
    body = admitted(api, manifest)
    if body is not None and not accepted(api, body):
        assert text in {
            "true",
            "yes",
            "null",
            "nan",
            "0x10",
            "1e400",
            "constructor",
            "__proto__",
            "__class__",
            "PBT_LOCATION",
        }


MINE = {"name": "PBT_LOCATION", "value": "s3://elsewhere"}
CREDENTIALS = {"name": "pbt-credentials", "secret": {"secretName": "others"}}
TEMPLATES: dict[str, tuple[dict[str, Any], str]] = {
    "the operator's variable": (
        {"containers": [{"name": "trainer", "image": "x", "env": [MINE]}]},
        "which the operator sets",
    ),
    "the operator's volume": ({"volumes": [CREDENTIALS]}, "Duplicate value"),
    "the operator's mount": (
        {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [
                {
                    "name": "trainer",
                    "image": "x",
                    "volumeMounts": [{"name": "v", "mountPath": "/etc/pbt/credentials"}],
                }
            ],
        },
        "must be unique",
    ),
    "volumes that are no list": ({"volumes": 5}, "should be a list"),
    "volumes that are a mapping": ({"volumes": {"a": 1}}, "should be a list"),
    "mounts that are no list": (
        {"containers": [{"name": "trainer", "image": "x", "volumeMounts": 7}]},
        "should be a list",
    ),
    "resources that are none": (
        {"containers": [{"name": "trainer", "image": "x", "resources": "all"}]},
        "resources",
    ),
    "a container twice": ({"containers": [{"name": "trainer", "image": "x"}] * 2}, "Duplicate value"),
    "an unknown field": ({"containers": [{"name": "trainer", "image": "x", "imagge": "y"}]}, "imagge"),
    "another namespace's secret": (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "namespace": "kube-system"}}]},
        "unknown field",
    ),
    "escapes": ({"containers": [{"name": ESCAPES, "image": "x"}]}, "name"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_takes_what_is_the_operators_is_refused(api: Api, name: str) -> None:
    changes, told = TEMPLATES[name]
    manifest = deepcopy(MANIFEST)
    manifest["spec"]["template"] = {"spec": {"containers": [{"name": "trainer", "image": "x"}], **changes}}
    body = admitted(api, manifest)
    assert body is not None
    assert told in accepted(api, body)


def test_a_template_cannot_choose_the_pods_name_namespace_or_owner(api: Api) -> None:
    manifest = deepcopy(MANIFEST)
    manifest["spec"]["template"]["metadata"] = {
        "name": "other", "namespace": "kube-system", "uid": "x", "labels": {"pbt.dev/population-uid": "another"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": True}],
    }  # fmt: skip
    body = admitted(api, manifest)
    assert body is not None
    owner = Owner(name="digits", namespace="default", uid="0a1b2c3d-0000-4000-8000-000000000000")
    spec = examine(body)
    pod = ClusterRunner(owner, config=CONFIG, api=api).renderer(spec)(births.first(to_core(spec), member=0))
    check_pod(pod, body)
    assert pod["metadata"]["name"] == "digits-0-1"
    assert pod["metadata"]["labels"]["pbt.dev/population-uid"] == owner.uid
    assert set(pod["metadata"]) == {"name", "namespace", "labels", "annotations", "ownerReferences"}


@settings(max_examples=60, deadline=None)
@given(message=st.text(max_size=50) | st.sampled_from(TEXTS))
def test_any_message_becomes_an_event_that_the_api_server_takes(api: Api, message: str) -> None:
    sent: list[dict[str, Any]] = []

    def create(namespace: str, body: dict[str, Any]) -> None:
        api._connection.request(
            "POST", f"/api/v1/namespaces/{namespace}/events", {"dryRun": "All"}, body=body
        )
        sent.append(body)

    owner = Owner(name="digits", namespace="default", uid="u")
    EventRecorder(create, instance="x").post(owner, [Event("TrainerNote", f"note: {message}")])
    [body] = sent
    assert_plain(body["message"])


def test_a_condition_holds_no_escapes() -> None:
    [condition] = merged([], [Condition("Failed", "True", "X", ESCAPES * 500)], generation=1, time="t")
    assert_plain(condition["message"])
    assert len(condition["message"]) <= 2000
