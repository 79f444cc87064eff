"""A real API server takes every right manifest, fills in the defaults, and refuses each wrong one with the remedy."""

import json
from pathlib import Path

import pytest
import yaml

from fixtures.wrong_manifests import GOOD, OPERATOR, WRONG, Wrong
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import load, parse
from pbt_operator.manifest.population import to_wire
from pbt_operator.manifest.reference import EXAMPLE
from service.crd.client import Populations
from support.apiserver import ApiServer

EXAMPLES = sorted(
    file
    for file in (Path(__file__).parents[3] / "examples").rglob("*.yaml")
    if "\nkind: Population\n" in file.read_text()
)


def test_the_definition_is_accepted_as_structural(apiserver: ApiServer) -> None:
    told = json.loads(apiserver.kubectl("get", "crd", "populations.pbt.dev", "-o", "json").stdout)["status"]
    conditions = {condition["type"]: condition["status"] for condition in told["conditions"]}
    assert conditions == {"Established": "True", "NamesAccepted": "True"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name + "/" + file.name)
def test_the_examples_are_admitted_and_mean_the_same(apiserver: ApiServer, file: Path) -> None:
    admitted = apiserver.kubectl("create", "--dry-run=server", "-o", "json", "-f", str(file)).stdout
    assert parse(json.loads(admitted), source="server").spec == load(file).spec


def test_the_manifest_with_every_field_is_admitted_and_means_the_same(
    apiserver: ApiServer, tmp_path: Path
) -> None:
    file = tmp_path / "full.yaml"
    file.write_text(EXAMPLE)
    admitted = apiserver.kubectl("create", "--dry-run=server", "-o", "json", "-f", str(file)).stdout
    assert parse(json.loads(admitted), source="server").spec == load(file).spec


def test_the_defaults_are_filled_in(populations: Populations) -> None:
    admitted = populations.create(GOOD)
    assert admitted["spec"] == to_wire(parse(GOOD, source="test").spec)
    assert admitted["spec"]["finish"] is False
    assert admitted["spec"]["storage"] == {"store": "default"}


def test_scalars_keep_their_types_in_one_list(apiserver: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "scalars.yaml"
    text = EXAMPLE.replace("[sgd, adamw]", "[sgd, 7, 2.5, 1e-4, true, '3', 'yes']")
    text = text.replace(
        "[{lr: 0.1, momentum: 0.9}]", "[{lr: 1e-2, optimizer: 2.5}, {optimizer: true}, {optimizer: '3'}]"
    )
    file.write_text(text)
    admitted = json.loads(
        apiserver.kubectl("create", "--dry-run=server", "-o", "json", "-f", str(file)).stdout
    )
    values = admitted["spec"]["hyperparameters"][-1]["choice"]["values"]
    assert [(type(value), value) for value in values] == [
        (str, "sgd"),
        (int, 7),
        (float, 2.5),
        (float, 1e-4),
        (bool, True),
        (str, "3"),
        (str, "yes"),
    ]
    assert admitted["spec"]["initial"] == [
        {"lr": 0.01, "optimizer": 2.5},
        {"optimizer": True},
        {"optimizer": "3"},
    ]
    assert parse(admitted, source="server").spec == load(file).spec


def test_integral_floats_are_whole_numbers(apiserver: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "floats.yaml"
    text = EXAMPLE.replace("members: 8", "members: 8.0").replace("totalSteps: 4000", "totalSteps: 4e3")
    file.write_text(text.replace("integer: {min: 1, max: 4}", "integer: {min: 1.0, max: 4.0}"))
    admitted = json.loads(
        apiserver.kubectl("create", "--dry-run=server", "-o", "json", "-f", str(file)).stdout
    )
    assert parse(admitted, source="server").spec == parse(yaml.safe_load(EXAMPLE), source="test").spec


def test_the_template_is_kept_as_it_is(populations: Populations) -> None:
    template = {
        "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}, "finalizers": ["a/b"]},
        "spec": {"containers": [{"name": "trainer", "a": [{"b": None}]}], "c": 1.5},
        "d": {"e": True},
    }
    admitted = populations.create({**GOOD, "spec": {**GOOD["spec"], "template": template}})
    assert admitted["spec"]["template"] == template


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if wrong.server is not OPERATOR], ids=str)
def test_kubectl_shows_what_is_wrong_and_what_would_be_right(apiserver: ApiServer, wrong: Wrong) -> None:
    manifest = json.dumps(wrong.manifest)
    ended = apiserver.kubectl("create", "--dry-run=server", "-f", "-", input=manifest, check=False)
    assert ended.returncode == 1
    assert str(wrong.server) in ended.stderr


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if wrong.server is OPERATOR], ids=str)
def test_the_operator_refuses_what_the_api_server_admits(populations: Populations, wrong: Wrong) -> None:
    admitted = populations.create(wrong.manifest)
    with pytest.raises(ManifestError) as raised:
        parse(admitted, source="server")
    assert wrong.operator in str(raised.value)


def test_the_table_of_wrong_manifests_is_long_enough() -> None:
    assert len(WRONG) >= 60
    assert len({str(wrong) for wrong in WRONG}) == len(WRONG)
