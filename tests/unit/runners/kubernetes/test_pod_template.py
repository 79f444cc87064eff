"""A member's pod: what the operator adds to the template, and that all else passes through."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.assignment import Assignment
from pbt_operator.manifest.template import grace_seconds
from pbt_operator.runners.kubernetes.config import StoreConfig
from pbt_operator.runners.kubernetes.pod_template import (
    POD_GROUP,
    POD_GROUP_SIZE,
    Owner,
    annotations_of,
    labels_of,
    problems_of,
    render,
)
from support.downward import referred

OWNER = Owner(name="digits", namespace="team-a", uid="0a1b2c3d-0000-4000-8000-000000000000")
ASSIGNMENT = Assignment(
    location="s3://experiments/pbt/team-a/digits-0a1b2c3d",
    member=3,
    incarnation=12,
    pod="",
    hyperparameters={"lr": 0.5, "layers": 2},
    objective="accuracy",
    total_steps=400,
    interval_steps=20,
    seed=7,
    in_place=True,
    grace_seconds=60,
)
STORE = StoreConfig(name="default", bucket="experiments")
AUTOSCALER = "cluster-autoscaler.kubernetes.io/safe-to-evict"
MINIMAL: dict[str, Any] = {"spec": {"containers": [{"name": "trainer", "image": "x"}]}}


def pod(template: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "assignment": ASSIGNMENT,
        "store": STORE,
        "credentials_secret": None,
        "ca_bundle": None,
    }
    return render(OWNER, template, **{**given, **changes})


def variables(body: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in body["spec"]["containers"][index]["env"]}


def told(body: dict[str, Any]) -> dict[str, str]:
    """What the trainer reads."""
    body = {**body, "metadata": {**body["metadata"], "uid": "uid"}}
    env = body["spec"]["containers"][0]["env"]
    return {one["name"]: referred(one, body) or one.get("value", "") for one in env}


def test_the_pod_is_named_for_the_birth_and_belongs_to_the_population() -> None:
    metadata = pod(MINIMAL)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("digits-3-12", "team-a")
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "pbt",
        "app.kubernetes.io/managed-by": "pbt-operator",
        "pbt.dev/population": "digits",
        "pbt.dev/population-uid": OWNER.uid,
        "pbt.dev/member": "3",
        "pbt.dev/incarnation": "12",
    }
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Population", "digits", OWNER.uid)
    assert owner["controller"] is True


def test_the_longest_name_is_a_host_name() -> None:
    owner = Owner(name="x" * 40, namespace="n", uid="u")
    body = render(
        owner,
        MINIMAL,
        assignment=replace(ASSIGNMENT, member=99_999, incarnation=999_999),
        store=STORE,
        credentials_secret=None,
        ca_bundle=None,
    )
    assert len(body["metadata"]["name"]) <= 63


def test_the_trainer_reads_back_its_assignment() -> None:
    assert variables(pod(MINIMAL))["PBT_POD"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    found = Assignment.from_environment(told(pod(MINIMAL)))
    assert found is not None
    assert (found.member, found.incarnation, found.pod) == (3, 12, "uid")
    assert found.hyperparameters == ASSIGNMENT.hyperparameters
    assert (found.location, found.objective, found.seed) == (ASSIGNMENT.location, "accuracy", 7)
    assert (found.total_steps, found.interval_steps, found.in_place) == (400, 20, True)
    assert found.grace_seconds == 60


def test_a_value_that_looks_like_a_reference_reaches_the_trainer_as_it_is() -> None:
    assignment = replace(ASSIGNMENT, hyperparameters={"path": "$(PBT_MEMBER)$x"})
    text = told(pod(MINIMAL, assignment=assignment))["PBT_HYPERPARAMETERS"]
    assert text == json.dumps({"path": "$(PBT_MEMBER)$x"})


@pytest.mark.parametrize("name", ["lr", "optimizer.lr", "drop-out", "_hidden", "odd_", "x" * 300])
def test_each_hyperparameter_has_a_variable_of_its_own(name: str) -> None:
    body = pod(MINIMAL, assignment=replace(ASSIGNMENT, hyperparameters={name: 0.5}))
    variable = f"PBT_HP_{name.replace('.', '_').replace('-', '_')}"
    assert told(body)[variable] == "0.5"
    body["metadata"]["annotations"] |= annotations_of({name: 0.25})
    assert told(body)[variable] == "0.25"


def test_a_pod_that_waits_is_another_members_by_its_metadata_alone() -> None:
    body = pod(MINIMAL)
    body["metadata"]["labels"] |= labels_of(5, 2)
    body["metadata"]["annotations"] |= annotations_of({"lr": 0.5})
    found = Assignment.from_environment(told(body))
    assert found is not None
    assert (found.member, found.incarnation, found.hyperparameters) == (5, 2, {"lr": 0.5})


def test_the_template_s_variables_come_last_and_can_refer_to_ours() -> None:
    own = [{"name": "RUN", "value": "$(PBT_MEMBER)"}, {"name": "PBT_STORE_PATIENCE_SECONDS", "value": "60"}]
    env = pod({"spec": {"containers": [{"name": "trainer", "image": "x", "env": own}]}})["spec"][
        "containers"
    ][0]["env"]
    assert env[-2:] == own
    assert env[0]["name"] == "PBT_POD"


def test_only_the_trainer_is_told() -> None:
    template = {"spec": {"containers": [{"name": "proxy", "image": "y"}, {"name": "trainer", "image": "x"}]}}
    proxy, trainer = pod(template, credentials_secret="s3", ca_bundle="PEM")["spec"]["containers"]
    assert proxy == template["spec"]["containers"][0]
    assert trainer["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_store_s_address_is_told_as_far_as_it_is_set() -> None:
    assert {name for name in variables(pod(MINIMAL)) if not name.startswith("PBT_")} == {
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
    }
    store = StoreConfig(
        name="default",
        bucket="experiments",
        endpoint="https://minio.storage:9000",
        region="eu-west-1",
        pathStyle=True,
        checksums="WhenRequired",
    )
    env = variables(pod(MINIMAL, store=store))
    assert {name: env[name] for name in env if name.startswith(("AWS_", "PBT_S3"))} == {
        "AWS_ENDPOINT_URL_S3": "https://minio.storage:9000",
        "AWS_REGION": "eu-west-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "PBT_S3_ADDRESSING": "path",
    }


def test_the_operator_s_own_credentials_never_reach_a_pod() -> None:
    store = StoreConfig(
        name="default", bucket="experiments", credentials="/etc/secret", caBundle="/etc/ca.crt"
    )
    assert "/etc/secret" not in json.dumps(pod(MINIMAL, store=store))


def test_credentials_and_ca_are_mounted_beside_what_is_there() -> None:
    template = {
        "spec": {
            "containers": [
                {"name": "trainer", "image": "x", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        }
    }
    body = pod(template, credentials_secret="s3", ca_bundle="PEM")
    (trainer,) = body["spec"]["containers"]
    assert body["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}
    volumes = {volume["name"]: volume for volume in body["spec"]["volumes"][1:]}
    mounts = {mount["name"]: mount for mount in trainer["volumeMounts"][1:]}
    assert volumes.keys() == mounts.keys()
    assert volumes["pbt-credentials"]["secret"] == {"secretName": "s3"}
    env = variables(body)
    assert env["PBT_S3_CREDENTIALS"] == mounts["pbt-credentials"]["mountPath"]
    (item,) = volumes["pbt-ca"]["downwardAPI"]["items"]
    assert env["AWS_CA_BUNDLE"] == f"{mounts['pbt-ca']['mountPath']}/{item['path']}"
    assert item["fieldRef"]["fieldPath"] == "metadata.annotations['pbt.dev/store-ca']"
    assert body["metadata"]["annotations"]["pbt.dev/store-ca"] == "PEM"


@pytest.mark.parametrize(
    ("given", "annotations"),
    [
        (None, {AUTOSCALER: "true"}),
        ({"note": "x"}, {AUTOSCALER: "true", "note": "x"}),
        ({AUTOSCALER: "false"}, {AUTOSCALER: "false"}),
    ],
)
def test_an_autoscaler_may_move_members_unless_the_template_says_no(
    given: Any, annotations: dict[str, str]
) -> None:
    template = {
        "metadata": {"annotations": given},
        "spec": {"containers": [{"name": "trainer", "image": "x"}]},
    }
    assert list(problems_of(template)) == []
    found = pod(template)["metadata"]["annotations"]
    assert {name: text for name, text in found.items() if "pbt.dev/" not in name} == annotations


def test_what_the_operator_finds_pods_by_can_not_be_relabelled() -> None:
    labels = {
        "pbt.dev/member": "0",
        "app.kubernetes.io/managed-by": "me",
        "app.kubernetes.io/name": "mine",
        "kueue.x-k8s.io/queue-name": "gpus",
    }
    found = pod({**MINIMAL, "metadata": {"labels": labels}})["metadata"]["labels"]
    assert (found["pbt.dev/member"], found["app.kubernetes.io/managed-by"]) == ("3", "pbt-operator")
    assert (found["app.kubernetes.io/name"], found["kueue.x-k8s.io/queue-name"]) == ("mine", "gpus")


def test_a_trainer_is_never_restarted_in_its_pod() -> None:
    spec = {**MINIMAL["spec"], "restartPolicy": "Always"}
    assert pod({"spec": spec})["spec"]["restartPolicy"] == "Never"


def test_a_message_policy_of_the_template_stays() -> None:
    trainer = {"name": "trainer", "image": "x", "terminationMessagePolicy": "File"}
    assert (
        pod({"spec": {"containers": [trainer]}})["spec"]["containers"][0]["terminationMessagePolicy"]
        == "File"
    )


@pytest.mark.parametrize(
    ("fields", "path"), [({}, "/dev/termination-log"), ({"terminationMessagePath": "/tmp/last"}, "/tmp/last")]
)
def test_the_trainer_is_told_where_the_kubelet_looks_for_its_last_words(
    fields: dict[str, str], path: str
) -> None:
    trainer = {"name": "trainer", "image": "x", **fields}
    assert variables(pod({"spec": {"containers": [trainer]}}))["PBT_TERMINATION_LOG"] == path


def test_nulls_of_the_manifest_are_absent_fields() -> None:
    trainer = dict.fromkeys(["env", "volumeMounts", "terminationMessagePolicy"]) | {
        "name": "trainer",
        "image": "x",
    }
    metadata = {"labels": None, "annotations": None, "creationTimestamp": None}
    template = {"metadata": metadata, "spec": {"containers": [trainer], "volumes": None}}
    assert list(problems_of(template)) == []
    body = pod(template, credentials_secret="s3", ca_bundle="PEM")
    assert body["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert len(body["spec"]["volumes"]) == 2


NAMES = st.text("abcdefghijklm", min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.dictionaries(NAMES, st.text(max_size=8), max_size=3)
LISTED = st.lists(st.dictionaries(NAMES, JSON, max_size=3), max_size=2)
CONTAINER = st.builds(
    lambda extra, lists: {**extra, **lists, "image": "x"},
    st.dictionaries(NAMES, JSON, max_size=4),
    st.fixed_dictionaries({}, optional={"env": LISTED, "volumeMounts": LISTED, "resources": JSON}),
)
TEMPLATE = st.builds(
    lambda metadata, extra, lists, trainer, others, at: {
        "metadata": metadata,
        "spec": {
            **extra,
            **lists,
            "containers": [
                *[{**c, "name": f"sidecar-{i}"} for i, c in enumerate(others[:at])],
                {**trainer, "name": "trainer"},
                *[{**c, "name": f"other-{i}"} for i, c in enumerate(others[at:])],
            ],
        },
    },
    st.fixed_dictionaries(
        {}, optional={"labels": TEXTS, "annotations": TEXTS, "finalizers": st.lists(NAMES)}
    ),
    st.dictionaries(NAMES, JSON, max_size=4),
    st.fixed_dictionaries({}, optional={"volumes": LISTED, "initContainers": LISTED, "restartPolicy": NAMES}),
    CONTAINER,
    st.lists(CONTAINER, max_size=2),
    st.integers(0, 2),
)


@given(TEMPLATE, st.sampled_from([None, "s3"]), st.sampled_from([None, "PEM"]))
def test_what_the_operator_does_not_own_passes_through_unchanged(
    template: dict[str, Any], secret: str | None, ca: str | None
) -> None:
    before = deepcopy(template)
    body = pod(template, credentials_secret=secret, ca_bundle=ca)
    assert template == before

    spec, was = deepcopy(body["spec"]), before["spec"]
    assert spec.pop("restartPolicy") == "Never"
    index = [container["name"] for container in was["containers"]].index("trainer")
    ours = deepcopy(spec["containers"][index])
    theirs = was["containers"][index]
    assert ours.pop("terminationMessagePolicy") == "FallbackToLogsOnError"
    assert ours.pop("env")[-len(theirs.get("env", [])) or 10**6 :] == theirs.get("env", [])
    for lists, found, mounted in ((was, spec, "volumes"), (theirs, ours, "volumeMounts")):
        assert found.pop(mounted, [])[: len(lists.get(mounted, []))] == lists.get(mounted, [])
    owned = {"env", "volumeMounts", "terminationMessagePolicy"}
    assert ours == {key: value for key, value in theirs.items() if key not in owned}
    assert [c for i, c in enumerate(spec.pop("containers")) if i != index] == [
        c for i, c in enumerate(was["containers"]) if i != index
    ]
    for found, asked in zip(spec.get("initContainers", []), was.get("initContainers", []), strict=True):
        if isinstance(found, dict) and "terminationMessagePolicy" not in asked:
            assert found.pop("terminationMessagePolicy") == "FallbackToLogsOnError"
    assert spec == {k: v for k, v in was.items() if k not in {"containers", "volumes", "restartPolicy"}}
    metadata = before["metadata"]
    assert metadata.get("labels", {}).items() <= body["metadata"]["labels"].items()
    assert metadata.get("annotations", {}).items() <= body["metadata"]["annotations"].items()
    assert body["metadata"].get("finalizers", []) == metadata.get("finalizers", [])


SPEC = "spec.template.spec"
QUEUE = "kueue.x-k8s.io/queue-name"
C = f"{SPEC}.containers[0]"


def trainer(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "trainer", "image": "x", **fields}]}}


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ({}, f"{SPEC}.containers: has no container; the one that trains should be called 'trainer'"),
        ({"spec": {"containers": []}}, f"{SPEC}.containers: has no container;"),
        ({"spec": {"containers": {}}}, f"{SPEC}.containers: is an empty mapping; should be a list"),
        (
            {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]}},
            f"{SPEC}.containers: has 'a', 'b'; the one that trains should be called 'trainer'",
        ),
        ({"spec": {"containers": [{"name": "trainer"}]}}, f"{C}.image: is missing; should be given"),
        (trainer(image=""), f"{C}.image: is missing; should be given"),
        (trainer(image=5), f"{C}.image: is 5; should be a text, in quotes"),
        ({"spec": {"containers": [{"image": "x"}]}}, f"{C}.name: is missing; should be given"),
        (
            trainer(env=[{"name": "A"}, {"name": "PBT_MEMBER", "value": "1"}]),
            f"{C}.env[1].name: is 'PBT_MEMBER', which the operator sets; leave it out",
        ),
        (trainer(env=[{"name": "AWS_REGION"}]), f"{C}.env[0].name: is 'AWS_REGION', which the operator sets"),
        (trainer(env={"A": "B"}), f"{C}.env: is a mapping; should be a list"),
        ({**trainer(), "metadata": []}, "spec.template.metadata: is an empty list; should be a mapping"),
        (
            {**trainer(), "metadata": {"labels": "a"}},
            "spec.template.metadata.labels: is 'a'; should be a mapping",
        ),
        (
            {**trainer(), "metadata": {"labels": {POD_GROUP: "digits", QUEUE: "gpus"}}},
            f"spec.template.metadata.labels.{POD_GROUP}: makes one pod group of all members",
        ),
        (
            {**trainer(), "metadata": {"annotations": {POD_GROUP_SIZE: "4"}}},
            f"spec.template.metadata.annotations.{POD_GROUP_SIZE}: makes one pod group of all members",
        ),
        (
            {"spec": {**trainer()["spec"], "terminationGracePeriodSeconds": -1}},
            f"{SPEC}.terminationGracePeriodSeconds: is -1; should be a whole number",
        ),
    ],
)
def test_what_no_pod_can_be_made_of_is_named_with_its_path(template: dict[str, Any], problem: str) -> None:
    (found,) = problems_of(template)
    assert str(found).startswith(problem)


def test_the_grace_period_is_the_template_s_or_kubernetes_own() -> None:
    assert grace_seconds(MINIMAL) == 30
    assert grace_seconds({"spec": {"terminationGracePeriodSeconds": 300}}) == 300
