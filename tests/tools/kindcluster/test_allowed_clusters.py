"""Tests touch no cluster that isn't one for tests."""

import json
from pathlib import Path

import pytest

from kindcluster.machine import ClusterError
from support.cluster import allowed_context, cluster


def kubeconfig(folder: Path, context: str | None) -> Path:
    file = folder / "kubeconfig"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": context}))
    return file


@pytest.fixture(autouse=True)
def _nothing_is_allowed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PBT_E2E_CONTEXT", raising=False)


def test_a_cluster_of_kind_is_allowed(tmp_path: Path) -> None:
    assert allowed_context(kubeconfig(tmp_path, "kind-mine")) == "kind-mine"


@pytest.mark.parametrize("context", ["production", "mykind-1", "", None])
def test_any_other_is_refused_with_the_remedy(tmp_path: Path, context: str | None) -> None:
    with pytest.raises(ClusterError, match=r"isn't touched.*PBT_E2E_CONTEXT"):
        allowed_context(kubeconfig(tmp_path, context))


def test_another_is_allowed_by_its_whole_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kubeconfig(tmp_path, "staging-tests")
    monkeypatch.setenv("PBT_E2E_CONTEXT", "staging")
    with pytest.raises(ClusterError):
        allowed_context(file)
    monkeypatch.setenv("PBT_E2E_CONTEXT", "staging-tests")
    assert allowed_context(file) == "staging-tests"


def test_a_refused_cluster_is_never_asked_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBT_E2E_KUBECONFIG", str(kubeconfig(tmp_path, "production")))
    with pytest.raises(ClusterError, match="production"), cluster():
        pass


def test_a_named_cluster_needs_images_that_it_can_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PBT_E2E_KUBECONFIG", str(kubeconfig(tmp_path, "kind-mine")))
    monkeypatch.setenv("PBT_OPERATOR_IMAGE", "example.com/pbt-operator:1")
    monkeypatch.delenv("PBT_TRAINER_IMAGE", raising=False)
    monkeypatch.delenv("PBT_MINIO_IMAGE", raising=False)
    with pytest.raises(ClusterError, match="PBT_TRAINER_IMAGE, PBT_MINIO_IMAGE"), cluster():
        pass
