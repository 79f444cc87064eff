"""`pbt --version` and `pbt version`: the client's version at once, the operator's where a cluster can be asked."""

from importlib.metadata import version

import pytest
from kubernetes import client

from support.apiserver import write_kubeconfig
from support.servers import free_port

PBT = f"pbt {version('pbt-operator')}\n"
LABELS = {"app.kubernetes.io/name": "pbt-operator", "app.kubernetes.io/version": "0.3.1"}


def deploy(namespace, name="pbt-operator", labels=LABELS):
    """The operator's Deployment, as the chart makes it."""
    pod = {"containers": [{"name": "operator", "image": "registry.example/pbt-operator:0.3.1-fix"}]}
    client.AppsV1Api(namespace.core.api_client).create_namespaced_deployment(
        namespace.name,
        {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod},
            },
        },
    )


@pytest.mark.parametrize("options", [["--version"], ["--version", "status", "digits"]])
def test_the_version_asks_no_cluster(pbt, monkeypatch, options):
    monkeypatch.setattr("pbt_operator.cli.show_version.connect", lambda _options: pytest.fail("it was asked"))
    assert pbt(*options) == (0, PBT, "")


def test_without_a_cluster_the_operator_is_unknown_and_nothing_fails(pbt, plugin):
    for ended in (pbt("version"), pbt("--version")):
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"{PBT}operator unknown: there is no kubeconfig ")


def test_a_cluster_that_is_asked_for_and_is_not_there_is_a_mistake(pbt):
    ended = pbt("version", "--context", "prod")
    assert (ended.code, ended.out) == (2, PBT)
    assert "there is no kubeconfig" in ended.err


def test_a_cluster_that_is_away_is_no_failure(pbt, namespace, apiserver, tmp_path):
    away = tmp_path / "away"
    write_kubeconfig(apiserver, away, namespace="x")
    away.write_text(away.read_text().replace(apiserver.url, f"https://127.0.0.1:{free_port()}"))
    ended = pbt("version", "--kubeconfig", away)
    assert (ended.code, ended.err) == (0, "")
    assert "operator unknown: the API server of context" in ended.out


def test_the_operators_of_a_cluster_are_listed_with_their_images(pbt, namespace, plugin):
    deploy(namespace)
    told = (
        f"operator 0.3.1, pbt-operator in namespace {namespace.name}, "
        "image registry.example/pbt-operator:0.3.1-fix\n"
    )
    assert told in pbt("version").out
    assert told in pbt("--version").out


def test_who_may_see_only_one_namespace_is_told_of_the_operator_there(pbt, namespace, tmp_path):
    deploy(namespace)
    blind = namespace.stranger(tmp_path, populations=["get"])
    ended = pbt("version", "--kubeconfig", blind)
    assert ended.code == 0
    assert f"operator unknown: you may not list deployments.apps in namespace {namespace.name}" in ended.out
    client.RbacAuthorizationV1Api(namespace.core.api_client).patch_namespaced_role(
        "little",
        namespace.name,
        {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]},
    )
    assert "operator 0.3.1, pbt-operator in namespace" in pbt("version", "--kubeconfig", blind).out


def test_a_cluster_without_an_operator_says_so(pbt, monkeypatch):
    monkeypatch.setattr("pbt_operator.cli.show_version.connect", lambda _options: Empty())
    told = f"{PBT}operator not found: is the chart pbt-operator installed?\n"
    assert pbt("version") == (0, told, "")


class Empty:
    """A cluster without operators."""

    def operators(self):
        """See `Cluster`."""
        return []
