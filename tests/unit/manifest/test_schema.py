"""The schema can become a custom resource: closed, bounded, described, and without unions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pbt_operator.manifest.reference import EXAMPLE, reference
from pbt_operator.manifest.schema import PATTERNS, manifest_schema

OPEN = "x-kubernetes-preserve-unknown-fields"


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            yield from nodes(node[inner], f"{path}[]")


ALL = dict(nodes(manifest_schema()))


@pytest.mark.parametrize("path", ALL)
def test_every_part_is_bounded(path: str) -> None:
    node = ALL[path]
    if OPEN in node:
        scalars = {".spec.initial[][]", ".spec.hyperparameters[].choice.values[]"}
        assert path in scalars or path.startswith(".spec.template")
        return
    match node["type"]:
        case "string":
            assert "enum" in node or node["maxLength"] <= 256
        case "array":
            assert node["maxItems"] <= 10_000
        case "integer" | "number":
            assert node.keys() & {"maximum", "exclusiveMaximum"}
            assert node.keys() & {"minimum", "exclusiveMinimum"}
        case "object":
            closed = node.get("additionalProperties") is False
            assert closed or "maxProperties" in node or path == ".metadata"
        case other:
            assert other == "boolean"


@pytest.mark.parametrize("path", [path for path in ALL if path and not path.endswith("[]")])
def test_every_field_is_described(path: str) -> None:
    description = ALL[path]["description"]
    assert 10 <= len(description) <= 400
    assert description.endswith(".")


@pytest.mark.parametrize("path", ALL)
def test_no_part_is_a_union_or_a_reference(path: str) -> None:
    assert not ALL[path].keys() & {"anyOf", "oneOf", "allOf", "$ref", "prefixItems", "const"}
    assert ALL[path].get("default", "") is not None


@pytest.mark.parametrize("path", [path for path, node in ALL.items() if "pattern" in node])
def test_patterns_are_whole_plain_and_put_into_words(path: str) -> None:
    pattern = ALL[path]["pattern"]
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    assert "(?" not in pattern  # the API server's expressions know no look-around
    assert pattern in PATTERNS


def test_fields_are_in_camel_case() -> None:
    assert "_" not in "".join(ALL)


def test_the_reference_is_current() -> None:
    page = Path(__file__).parents[3] / "docs" / "manifest.md"
    assert page.read_text() == reference(), (
        "run `python -m pbt_operator.manifest.reference > docs/manifest.md`"
    )


def test_the_reference_names_every_field() -> None:
    fields = {path.rpartition(".")[2] for path in ALL if path.startswith(".spec.") and path[-1] != "]"}
    assert [field for field in fields if f"| `{field}` |" not in reference()] == []


def test_the_example_shows_every_field_of_the_spec() -> None:
    fields = [
        path.removeprefix(".spec.") for path in ALL if path.count(".") == 2 and path.startswith(".spec.")
    ]
    assert [field for field in fields if f"\n  {field}:" not in EXAMPLE and "[]" not in field] == []
