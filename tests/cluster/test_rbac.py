"""What the operator's service account may do on the real cluster: what the chart's rules say, and nothing else."""

import pytest

from cluster.release import Release
from cluster.space import Space
from cluster.test_chart import OWN, own_release
from support.cluster import Cluster

RULES = {
    "populations.pbt.dev": {"list", "watch", "patch", "delete"},
    "populations.pbt.dev/status": {"patch"},
    "populations.pbt.dev/finalizers": {"update"},
    "pods": {"get", "list", "watch", "create", "patch", "delete"},
    "events": {"create", "list"},
}
SCANNING = {
    "namespaces": {"list", "watch"},
    "customresourcedefinitions.apiextensions.k8s.io": {"list", "watch"},
}
OF_EVERYBODY = {
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "clustertrustbundles.certificates.k8s.io",
}
FORBIDDEN = [
    ("get", "secrets", "--all-namespaces"),
    ("get", "secret", "store"),
    ("get", "configmaps", "--all-namespaces"),
    ("get", "nodes"),
    ("get", "serviceaccounts", "--all-namespaces"),
    ("get", "deployments", "--all-namespaces"),
    ("get", "--raw", "/api/v1/namespaces/minio/pods/x/log"),
    ("create", "namespace", "other"),
    ("create", "configmap", "x"),
    ("create", "secret", "generic", "x"),
    ("create", "token", "default"),
    ("create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x"),
    ("create", "deployment", "x", "--image=x"),
    ("delete", "namespace", "minio"),
    ("delete", "crd", "populations.pbt.dev"),
    ("delete", "secret", "store"),
    ("label", "namespace", "minio", "x=y"),
    ("scale", "deployment", "pbt-operator", "--replicas=2"),
]


def account(namespace: str, name: str) -> str:
    return f"--as=system:serviceaccount:{namespace}:{name}"


def allowed(cluster: Cluster, who: str, *, namespace: str) -> dict[str, set[str]]:
    """The verbs by resource, as the API server lists them, without those that everybody has."""
    listed = cluster.kubectl(
        "auth", "can-i", "--list", "--no-headers", who, f"--namespace={namespace}"
    ).stdout
    found: dict[str, set[str]] = {}
    for line in listed.splitlines():
        resource, *_, verbs = line.replace("[", " [").split(" [")
        if resource.strip() and resource.strip() not in OF_EVERYBODY:
            found.setdefault(resource.strip(), set()).update(verbs.strip("[] ").split())
    return found


def test_it_may_do_what_the_rules_say_and_nothing_else(cluster: Cluster, release: Release) -> None:
    who = account(release.namespace, release.name)
    for namespace in (release.namespace, "default", "kube-system"):
        assert allowed(cluster, who, namespace=namespace) == RULES | SCANNING


@pytest.mark.parametrize("request_", FORBIDDEN, ids=lambda request_: " ".join(request_[:3]))
def test_what_it_must_not_do_is_forbidden(
    cluster: Cluster, release: Release, request_: tuple[str, ...]
) -> None:
    everywhere = any(word in {"--all-namespaces", "--raw", "namespace", "nodes", "crd"} for word in request_)
    where = () if everywhere else (f"--namespace={release.namespace}",)
    done = cluster.kubectl(*request_, *where, account(release.namespace, release.name), check=False)
    assert done.returncode != 0
    assert "forbidden" in done.stderr.lower()


def test_an_operator_of_one_namespace_may_do_nothing_elsewhere(space: Space) -> None:
    own_release(space)
    try:
        who = account(space.name, OWN)
        assert allowed(space.cluster, who, namespace=space.name) == RULES
        assert allowed(space.cluster, who, namespace="default") == {}
    finally:
        space.cluster.helm("uninstall", OWN, f"--namespace={space.name}", "--no-hooks", "--wait")
