"""Who may do what, judged by a real API server with the chart's admission policies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC
from service.chart.rendering import CHART, NAMESPACE, RELEASE, STORE, Object, helm, notes, render, values_file
from service.chart.test_server import on
from support.apiserver import ApiServer

SPACE = "team-a"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
UID = "0a1b2c3d-0000-4000-8000-000000000000"
POLICIES = {f"{RELEASE}-authors", f"{RELEASE}-pods"}
RIGHTS = {
    "author": {"populations": ["get", "create", "patch", "update"], "pods": ["create"]},
    "tenant": {"populations": ["get", "create", "patch", "update", "delete"]},
    "scaler": {"populations/scale": ["get", "patch", "update"], "populations": ["get"]},
}
"""Of three users, by resource."""


@pytest.fixture(scope="module")
def server(cluster: ApiServer) -> Iterator[ApiServer]:
    """With the chart, and the three users."""
    on(cluster, "install", RELEASE, CHART, values={"stores": [STORE]})
    objects = []
    for user, rights in RIGHTS.items():
        rules = [
            {
                "apiGroups": ["pbt.dev" if "populations" in resource else ""],
                "resources": [resource],
                "verbs": verbs,
            }
            for resource, verbs in rights.items()
        ]
        metadata, group = {"name": user, "namespace": SPACE}, "rbac.authorization.k8s.io"
        subject = {"kind": "User", "name": user, "apiGroup": group}
        reference = {"apiGroup": group, "kind": "Role", "name": user}
        objects += [
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "subjects": [subject],
                "roleRef": reference,
            },
        ]
    apply(cluster, {"apiVersion": "v1", "kind": "List", "items": objects})
    yield cluster
    on(cluster, "uninstall", RELEASE, "--no-hooks")
    cluster.kubectl("delete", "crd", "populations.pbt.dev")


def apply(server: ApiServer, body: Object, *, who: str = "", verb: str = "create") -> str:
    """What the API server says to an object; empty where it takes it."""
    user = [f"--as={who}"] if who else []
    done = server.kubectl(verb, "-f", "-", *user, input=json.dumps(body), check=False)
    return done.stderr if done.returncode else ""


def asked(server: ApiServer, who: str, *arguments: str) -> str:
    """What it says to another request; empty where it does it."""
    done = server.kubectl(*arguments, f"--as={who}", f"--namespace={SPACE}", check=False)
    return done.stderr if done.returncode else ""


def population(name: str) -> Object:
    template = {"spec": {"containers": [{"name": "trainer", "image": "x"}]}}
    spec = {**DETERMINISTIC, "template": template}
    metadata = {"name": name, "namespace": SPACE}
    return {"apiVersion": "pbt.dev/v1alpha1", "kind": "Population", "metadata": metadata, "spec": spec}


def pod(name: str, *, namespace: str = SPACE, label: str | None = UID, **owner: Any) -> Object:
    reference = {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "name": "p",
        "uid": UID,
        "controller": True,
        **owner,
    }
    labels = {"labels": {"pbt.dev/population-uid": label}} if label is not None else {}
    references = {} if owner.get("kind") == "" else {"ownerReferences": [reference]}
    metadata = {"name": name, "namespace": namespace, **labels, **references}
    spec = {"containers": [{"name": "trainer", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def patch(spec: Object) -> tuple[str, ...]:
    return ("--type=merge", "-p", json.dumps({"spec": spec}))


def test_who_may_not_create_pods_gets_none_by_a_population(server: ApiServer) -> None:
    said = apply(server, population("mine"), who="tenant")
    assert "tenant may not create pods in namespace team-a, and so no Population either" in said
    assert apply(server, population("mine"), who="author") == ""
    image = {"template": {"spec": {"containers": [{"name": "trainer", "image": "mine"}]}}}
    assert "may not create pods" in asked(server, "tenant", "patch", "population", "mine", *patch(image))
    assert asked(server, "author", "patch", "population", "mine", *patch(image)) == ""


def test_who_asks_for_no_other_pods_needs_no_right_to_create_them(server: ApiServer) -> None:
    assert apply(server, population("scaled"), who="author") == ""
    assert asked(server, "tenant", "patch", "population", "scaled", *patch({"suspend": True})) == ""
    assert asked(server, "scaler", "scale", "population", "scaled", "--replicas=12") == ""
    holds = '{"metadata":{"finalizers":["test/holds"]}}'
    assert asked(server, "tenant", "patch", "population", "scaled", "--type=merge", "-p", holds) == ""
    foreground = ("delete", "population", "scaled", "--cascade=foreground", "--wait=false")
    assert asked(server, "tenant", *foreground) == ""
    let_go = '{"metadata":{"finalizers":[]}}'
    assert asked(server, "tenant", "patch", "population", "scaled", "--type=merge", "-p", let_go) == ""


@pytest.mark.parametrize(
    "body",
    [
        pod("x", label=None),
        pod("x", kind=""),
        pod("x", kind="ReplicaSet"),
        pod("x", controller=False),
        pod("x", uid="0a1b2c3d-0000-4000-8000-000000000001"),
        pod("x", apiVersion="apps/v1"),
        pod("x", namespace=NAMESPACE),
        pod("x", namespace="kube-system"),
    ],
)
def test_the_operators_account_makes_no_pod_but_a_populations(server: ApiServer, body: Object) -> None:
    said = apply(server, body, who=OPERATOR)
    assert "ValidatingAdmissionPolicy 'pbt-operator-pods'" in said


def test_the_operators_account_touches_no_pods_but_populations(server: ApiServer) -> None:
    assert apply(server, pod("ours"), who=OPERATOR) == ""
    assert apply(server, pod("theirs", label=None, kind="")) == ""
    for refused in (
        ("delete", "pod", "theirs"),
        ("label", "pod", "theirs", f"pbt.dev/population-uid={UID}"),
        ("label", "pod", "ours", "pbt.dev/population-uid-"),
        ("label", "pod", "ours", "--overwrite", "pbt.dev/population-uid=another"),
    ):
        assert "the operator changes and deletes pods of Populations alone" in asked(
            server, OPERATOR, *refused
        ), refused
    assert asked(server, OPERATOR, "label", "pod", "ours", "pbt.dev/member=3") == ""
    assert asked(server, OPERATOR, "delete", "pod", "ours", "--wait=false") == ""


def test_the_policies_are_left_out_where_nobody_wants_them_or_they_can_not_be() -> None:
    def policies(**values: Any) -> set[str]:
        objects = render({"stores": [STORE], **values})
        return {o["metadata"]["name"] for o in objects if o["kind"] == "ValidatingAdmissionPolicy"}

    assert policies() == POLICIES
    assert policies(admissionPolicy={"enabled": False}) == set()
    assert policies(watch={"scope": "Release"}) == set()
    assert "has no ValidatingAdmissionPolicies" not in notes({"stores": [STORE]})
    with values_file({"stores": [STORE]}) as file:
        old = helm("template", RELEASE, CHART, "-n", NAMESPACE, "-f", file, "--kube-version=1.29.0").stdout
    assert "kind: ValidatingAdmissionPolicy" not in old
    assert "kind: ClusterRole" in old
