"""The API server takes each manifest that the documentation shows, and the pods that Populations ask for there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.apiserver import ApiServer

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def manifests(page: Path) -> list[dict[str, Any]]:
    """The objects in the YAML of a page; what has no kind is something else, such as values of the chart."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    found = [document for block in blocks for document in yaml.safe_load_all(block)]
    return [document for document in found if isinstance(document, dict) and "kind" in document]


def with_pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With a pod of each Population's template: the custom resource takes templates as they are."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**o["spec"]["template"].get("metadata", {}), "name": f"{o['metadata']['name']}-pod"},
            "spec": {"restartPolicy": "Never", **o["spec"]["template"]["spec"]},
        }
        for o in objects
        if o["kind"] == "Population" and "template" in o["spec"]
    ]
    return [*objects, *pods]


def said(server: ApiServer, objects: list[dict[str, Any]]) -> tuple[list[str], str]:
    """The objects that a strict dry run takes, and what the server says of the others."""
    text = yaml.safe_dump_all(objects)
    command = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    done = server.kubectl(*command, input=text, check=False)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if manifests(page)], ids=lambda page: page.name)
def test_the_manifests_of_a_page_are_taken(apiserver: ApiServer, page: Path) -> None:
    objects = with_pods(manifests(page))
    taken, refused = said(apiserver, objects)
    assert refused == ""
    assert len(taken) == len(objects)


def test_the_page_of_gpu_clusters_shows_each_kind_of_object_that_it_speaks_of() -> None:
    kinds = {o["kind"] for o in manifests(ROOT / "docs" / "gpu-cluster.md")}
    assert kinds == {
        "Secret",
        "ServiceAccount",
        "Population",
        "PersistentVolumeClaim",
        "ResourceClaimTemplate",
    }


@pytest.mark.parametrize("path", ["claims/claim", "volumeMounts/mount"])
def test_a_misspelt_field_in_a_template_would_be_refused(apiserver: ApiServer, path: str) -> None:
    right, wrong = path.split("/")
    text = yaml.safe_dump_all(with_pods(manifests(ROOT / "docs" / "gpu-cluster.md")))
    assert f"{right}:" in text
    done = apiserver.kubectl(
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        input=text.replace(f"{right}:", f"{wrong}:"),
        check=False,
    )
    assert f'{wrong}"' in done.stderr
    assert "unknown field" in done.stderr
