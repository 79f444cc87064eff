"""A real API server takes what the chart renders, and helm installs, upgrades and uninstalls it there.

A strict server-side dry run knows more than schemas do: unknown fields, defaults, name and port rules, RBAC, CEL.
"""

import copy
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.chart.rendering import (
    CASES,
    CHART,
    MINIO,
    NAMESPACE,
    RELEASE,
    STORE,
    Object,
    helm,
    manifest,
    pods,
    render,
    values_file,
)
from support.apiserver import ApiServer

FAILED = {
    "startTime": "2026-01-01T00:00:00Z",
    "failed": 1,
    "conditions": [
        {
            "type": kind,
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("FailureTarget", "Failed")
    ],
}


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_the_api_server_accepts_every_object(values, cluster):
    done = dry_run(cluster, manifest(values))
    assert not done.returncode, done.stderr


def test_the_api_server_would_refuse_a_misspelt_field(cluster):
    done = dry_run(cluster, manifest(CASES["one store"]).replace("readinessProbe:", "readynessProbe:"))
    assert 'unknown field "spec.template.spec.containers[0].readynessProbe"' in done.stderr


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_every_pod_is_admitted_where_the_restricted_standard_is_enforced(values, cluster):
    restricted = [as_pod(name, template) for name, template in pods(render(values)).items()]
    done = dry_run(cluster, json.dumps({"apiVersion": "v1", "kind": "List", "items": restricted}))
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("field", ["allowPrivilegeEscalation", "capabilities"])
def test_a_pod_with_less_would_not_be_admitted(field, cluster):
    pod = as_pod("operator", pods(render(CASES["one store"]))["pbt-operator"])
    del pod["spec"]["containers"][0]["securityContext"][field]
    assert "violates PodSecurity" in dry_run(cluster, json.dumps(pod)).stderr


def test_helm_installs_upgrades_and_leaves_only_what_it_keeps(cluster):
    values = {"stores": [STORE, MINIO], "commonLabels": {"part": "chart"}}
    on(cluster, "install", RELEASE, CHART, values=values)
    assert f"deployment.apps/{RELEASE}" in owned(cluster)
    on(cluster, "upgrade", RELEASE, CHART, values={**values, "watch": {"scope": "Release"}})
    assert f"clusterrole.rbac.authorization.k8s.io/{RELEASE}" not in owned(cluster)
    on(cluster, "uninstall", RELEASE, "--no-hooks")
    assert owned(cluster) == {"customresourcedefinition.apiextensions.k8s.io/populations.pbt.dev"}
    cluster.kubectl("delete", "crd", "populations.pbt.dev")


def test_a_refused_uninstall_changes_nothing_and_a_rollback_makes_the_release_whole(cluster):
    values = {"stores": [STORE], "commonLabels": {"part": "chart"}, "crds": {"install": False}}
    on(cluster, "install", RELEASE, CHART, values=values)
    before = owned(cluster)
    refused = uninstalled_while_populations_live(cluster)
    assert refused.returncode
    job = f"job.batch/{RELEASE}-uninstall-check"
    assert owned(cluster) == before | {job}
    on(cluster, "rollback", RELEASE, "1")
    on(cluster, "upgrade", RELEASE, CHART, values=values)
    assert owned(cluster) >= before
    on(cluster, "uninstall", RELEASE, "--no-hooks")
    cluster.kubectl("delete", job, "--namespace", NAMESPACE)


def uninstalled_while_populations_live(cluster: ApiServer) -> "subprocess.CompletedProcess[str]":
    """`helm uninstall`; its Job fails as soon as it is there, which no kubelet would say here."""
    job = f"job/{RELEASE}-uninstall-check"
    arguments = ("uninstall", RELEASE, "-n", NAMESPACE, "--timeout=60s")
    with ThreadPoolExecutor(1) as executor:
        uninstalled = executor.submit(helm, *arguments, kubeconfig=cluster.kubeconfig)
        cluster.kubectl("wait", "--for=create", job, "-n", NAMESPACE, "--timeout=60s")
        status = json.dumps({"status": FAILED})
        cluster.kubectl(
            "patch", job, "-n", NAMESPACE, "--subresource=status", "--type=merge", f"--patch={status}"
        )
        return uninstalled.result()


def dry_run(cluster: ApiServer, text: str) -> "subprocess.CompletedProcess[str]":
    return cluster.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text, check=False
    )


def as_pod(name: str, template: Object) -> Object:
    """A pod of a template, in the namespace that enforces the restricted standard."""
    pod = copy.deepcopy(template)
    pod["metadata"] = {"name": name, "namespace": "restricted"}
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def on(cluster: ApiServer, *arguments: object, values: Object | None = None) -> None:
    """Runs helm on the cluster."""
    with values_file(values or {}) as file:
        given = ["-f", file] if values else []
        done = helm(*arguments, "-n", NAMESPACE, *given, kubeconfig=cluster.kubeconfig)
    assert not done.returncode, done.stderr


def owned(cluster: ApiServer) -> set[str]:
    """The names of all objects with the chart's label `part`."""
    kinds = (
        "deployments,services,configmaps,serviceaccounts,jobs,pods,roles,rolebindings,"
        "clusterroles,clusterrolebindings,crds"
    )
    found = cluster.kubectl("get", kinds, "--all-namespaces", "--selector=part=chart", "--output=name")
    return set(found.stdout.split())
