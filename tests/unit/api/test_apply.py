"""A population is created on a real API server, changed by the same call, and refused in the server's words."""

import pytest

import pbt_operator as pbt
from support.apiserver import ApiServer
from unit.cli.cluster import Namespace
from unit.cli.conftest import namespace, no_cluster

__all__ = ["namespace", "no_cluster"]

FIELDS = {
    "hyperparameters": {"lr": pbt.LogUniform(1e-4, 1)},
    "metric": "val_accuracy",
    "total_steps": 20,
    "interval_steps": 10,
    "image": "registry.example/digits:1",
}


def test_apply_creates_a_population_and_changes_it(apiserver: ApiServer, namespace: Namespace) -> None:
    pbt.Population("digits", "train.py", members=2, parallelism=1, **FIELDS).apply()
    created = namespace.read()
    assert created["spec"]["members"] == 2
    assert created["spec"]["parallelism"] == 1
    container = {"name": "trainer", "image": "registry.example/digits:1", "command": ["python", "train.py"]}
    assert created["spec"]["template"] == {"spec": {"containers": [container]}}
    pbt.Population("digits", "train.py", members=3, **FIELDS).apply(namespace=namespace.name)
    changed = namespace.read()
    assert changed["metadata"]["uid"] == created["metadata"]["uid"]
    assert changed["spec"]["members"] == 3
    assert "parallelism" not in changed["spec"], "what isn't given any more is taken back"


def test_what_the_server_refuses_is_told(apiserver: ApiServer, namespace: Namespace) -> None:
    population = pbt.Population("digits", "train.py", members=2, **FIELDS)
    population.apply()
    with pytest.raises(pbt.PbtError, match=r"seed.*can't be changed"):
        pbt.Population("digits", "train.py", members=2, seed=5, **FIELDS).apply()
    namespace.custom.patch_namespaced_custom_object(
        "pbt.dev", "v1alpha1", namespace.name, "populations", "digits", {"spec": {"members": 4}}
    )
    with pytest.raises(pbt.PbtError, match=r"refused to patch populations\.pbt\.dev: .*members"):
        population.apply()
    with pytest.raises(pbt.PbtError, match="has no namespace elsewhere-1, or knows no Populations"):
        population.apply(namespace="elsewhere-1")


def test_a_population_of_a_cluster_is_found_by_its_name(apiserver: ApiServer, namespace: Namespace) -> None:
    pbt.Population("digits", "train.py", members=2, **FIELDS).apply()
    with pytest.raises(pbt.PbtError, match="digits has no location yet"):
        pbt.load("digits")
    with pytest.raises(
        pbt.PbtError, match=r"there is no Population digit in namespace .*; did you mean digits\?"
    ):
        pbt.load("digit", namespace=namespace.name)
