"""What is printed is complete, bounded and in step with the models; a file that isn't is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from pbt_contract.records import Source
from pbt_operator.core.status import RECORDS_ONLY, Best, MemberStatus, Status, Steps
from pbt_operator.manifest import cel_rules, crd

CHART = Path(__file__).parents[3] / crd.FILE
OPEN = "x-kubernetes-preserve-unknown-fields"


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path.removeprefix("."), node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")


(VERSION,) = crd.definition()["spec"]["versions"]
ALL = dict(nodes(VERSION["schema"]["openAPIV3Schema"]))


def test_the_chart_has_the_resource_of_the_models() -> None:
    crd.main(["--check", str(CHART)])


@pytest.mark.parametrize("content", [None, "", crd.text().replace("maximum: 10000", "maximum: 9999")])
def test_another_file_is_told_with_the_command_that_repairs_it(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "crd.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit, match=r"run: python -m pbt_operator\.manifest\.crd > charts/") as ended:
        crd.main(["--check", str(file)])
    assert str(file) in str(ended.value)


def test_it_is_printed_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    crd.main([])
    assert yaml.safe_load(capsys.readouterr().out) == crd.definition()


def test_every_rule_and_list_has_its_place() -> None:
    assert {*cel_rules.RULES, *crd.LISTS, *crd.NULLS} <= ALL.keys()


@pytest.mark.parametrize("path", ALL)
def test_every_part_is_bounded_and_structural(path: str) -> None:
    node = ALL[path]
    assert "type" in node or OPEN in node
    assert not node.keys() & {"anyOf", "oneOf", "allOf", "$ref", "pattern", "additionalProperties", "const"}
    assert isinstance(node.get("exclusiveMinimum", True), bool)
    if node.get("type") == "array":
        assert "maxItems" in node
    if path.startswith("spec") and node.get("type") == "string" and "enum" not in node:
        assert "maxLength" in node


@pytest.mark.parametrize(
    "path", [path for path in ALL if path and not path.endswith("[]") and not path.startswith("metadata")]
)
def test_every_field_is_described_in_sentences(path: str) -> None:
    description = ALL[path]["description"]
    assert description[0].isupper()
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (Status, "status"),
        (MemberStatus, "status.members[]"),
        (Best, "status.best"),
        (Best, "status.final"),
        (Source, "status.members[].parent"),
        (Steps, "status.steps"),
    ],
)
def test_the_status_has_every_word_that_the_operator_writes(record: type, path: str) -> None:
    words = {field.encode_name for field in structs.fields(record)}
    known = ALL[path]["properties"].keys()
    assert words - known == (RECORDS_ONLY if record is Status else set())
    assert record is Status or words == known
