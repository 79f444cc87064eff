"""What a manifest means: defaults, numbers, the core's spec, and what identifies an experiment."""

import json
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pbt_operator.core import search
from pbt_operator.core import spec as core
from pbt_operator.core.budget import Limits, Plateau
from pbt_operator.core.distributions import Choice, Integer, LogUniform, Uniform
from pbt_operator.core.rules import BinaryTournament, ExploitRule, NoExploit, Perturb, Truncation, TTest
from pbt_operator.core.sub_populations import SubPopulation
from pbt_operator.manifest.load import parse
from pbt_operator.manifest.population import PopulationSpec, changed_identity, identity, to_core, to_wire


def spec_of(tree: dict[str, Any]) -> PopulationSpec:
    return parse(tree, source="test").spec


def with_choice(tree: dict[str, Any], **choice: Any) -> dict[str, Any]:
    tree["spec"]["hyperparameters"][2]["choice"] = choice
    return tree


def test_the_full_manifest_reaches_the_core(full: dict[str, Any]) -> None:
    assert to_core(spec_of(full)) == core.Spec(
        members=8,
        parallelism=4,
        objective=search.Objective("val_accuracy", search.Goal.MAXIMIZE, 0.995),
        schedule=search.Schedule(4000, 200, 200, 75, 600, 3600),
        hyperparameters=(
            search.Hyperparameter("lr", LogUniform(min=1e-4, max=1.0)),
            search.Hyperparameter("momentum", LogUniform(min=0.8, max=0.999, of="OneMinus")),
            search.Hyperparameter("dropout", Uniform(min=0.0, max=0.6)),
            search.Hyperparameter("layers", Integer(min=1, max=4), explored=False),
            search.Hyperparameter("optimizer", Choice(values=("sgd", "adamw"))),
        ),
        initial=({"lr": 0.1, "momentum": 0.9},),
        exploit=core.Exploit(Truncation(percent=25), min_gap=0.0, copy=core.Copy.BOTH),
        sub_populations=(SubPopulation(every_rounds=1), SubPopulation(horizon_percent=20)),
        explore=Perturb(factors=(0.8, 1.25), resamplePercent=25),
        retention=core.Retention(2, "Retain"),
        restart=core.Restart.RECREATE,
        seed=7,
        suspend=False,
        backoff_limit=6,
        max_failed_members=4,
        active_deadline_seconds=86400,
        limits=Limits(100.0, 43200, 30000),
        plateau=Plateau(8, 0.001),
        devices={"nvidia.com/gpu": 1},
    )


def test_defaults_are_those_of_the_core(small: dict[str, Any]) -> None:
    found = to_core(spec_of(small))
    assert found == core.Spec(
        members=8,
        objective=search.Objective("val_accuracy"),
        schedule=search.Schedule(4000, 200),
        hyperparameters=found.hyperparameters,
    )


@pytest.mark.parametrize(
    ("exploit", "strategy"),
    [
        ({}, Truncation(percent=25)),
        ({"truncation": {}}, Truncation(percent=25)),
        ({"truncation": {"percent": 40}}, Truncation(percent=40)),
        ({"binaryTournament": {}}, BinaryTournament()),
        ({"tTest": {"pValue": 0.1}}, TTest(pValue=0.1)),
        ({"none": {}}, NoExploit()),
    ],
)
def test_strategies(small: dict[str, Any], exploit: dict[str, Any], strategy: ExploitRule) -> None:
    small["spec"]["exploit"] = {**exploit, "minGap": 1, "copy": "Weights"}
    assert to_core(spec_of(small)).exploit == core.Exploit(strategy, min_gap=1.0, copy=core.Copy.WEIGHTS)


@pytest.mark.parametrize("field", ["suspend", "finish"])
def test_what_a_user_asks_of_a_running_population_reaches_the_core(small: dict[str, Any], field: str) -> None:
    assert getattr(to_core(spec_of(small)), field) is False
    small["spec"][field] = True
    assert getattr(to_core(spec_of(small)), field) is True


def test_limits_and_a_plateau_reach_the_core(small: dict[str, Any]) -> None:
    found = to_core(spec_of(small))
    assert (found.limits, found.plateau, found.gpus) == (Limits(), None, 0)
    small["spec"]["limits"] = {"gpuHours": 0.5, "activeSeconds": 60, "totalMemberSteps": 4000}
    small["spec"]["plateau"] = {"rounds": 3}
    container = {"name": "trainer", "resources": {"limits": {"nvidia.com/gpu": "2", "cpu": "3"}}}
    small["spec"]["template"] = {"spec": {"containers": [container]}}
    found = to_core(spec_of(small))
    assert (found.limits, found.plateau, found.gpus) == (Limits(0.5, 60, 4000), Plateau(3, 0.0), 2)


def test_dumping_and_reading_again_changes_nothing(full: dict[str, Any]) -> None:
    population = parse(full, source="test")
    wire = to_wire(population)
    assert parse(json.loads(json.dumps(wire)), source="test") == population
    assert PopulationSpec.model_validate(to_wire(population.spec)) == population.spec


def test_the_template_is_kept_untouched(small: dict[str, Any]) -> None:
    template = {"metadata": {"labels": {"a": None}}, "spec": {"containers": [{"x": 1.0, "y": [None, True]}]}}
    small["spec"]["template"] = template
    assert to_wire(spec_of(small))["template"] == template


def test_a_number_is_of_the_type_that_its_space_asks_for(small: dict[str, Any]) -> None:
    small["spec"]["hyperparameters"][0]["logUniform"] = {"min": 1, "max": 10}
    small["spec"]["initial"] = [{"lr": 2, "layers": 3.0}]
    small["spec"]["members"] = 8.0
    found = to_core(spec_of(small))
    lr = found.hyperparameters[0].space
    assert isinstance(lr, LogUniform)
    assert [type(lr.min), type(lr.max)] == [float, float]
    assert [type(found.initial[0]["lr"]), type(found.initial[0]["layers"])] == [float, int]
    assert type(found.members) is int


@pytest.mark.parametrize(
    ("values", "read", "ordered"),
    [
        ([16, 32, 64], [16, 32, 64], True),
        ([0.5, 1.0, 2], [0.5, 1.0, 2.0], True),
        ([16.0, 32.0], [16, 32], True),
        (["a", "b"], ["a", "b"], False),
        ([1, "auto"], [1, "auto"], False),
        ([True, False], [True, False], False),
    ],
)
def test_choices_keep_their_types(small: dict[str, Any], values: Any, read: Any, *, ordered: bool) -> None:
    found = to_core(spec_of(with_choice(small, values=values))).hyperparameters[2].space
    assert isinstance(found, Choice)
    assert [(type(v), v) for v in found.values] == [(type(v), v) for v in read]
    assert found.ordered is ordered


def test_an_initial_choice_is_one_of_the_values_with_its_type(small: dict[str, Any]) -> None:
    small["spec"]["initial"] = [{"optimizer": 1}]
    found = to_core(spec_of(with_choice(small, values=[0.5, 1])))
    assert type(found.initial[0]["optimizer"]) is float
    assert found.hyperparameters[2].space.contains(found.initial[0]["optimizer"])


def test_the_order_of_choices_can_be_set(small: dict[str, Any]) -> None:
    found = to_core(spec_of(with_choice(small, values=["s", "m", "l"], order="Ordered"))).hyperparameters[2]
    assert found.space == Choice(values=("s", "m", "l"), order="Ordered")


def test_a_null_is_an_absent_field(small: dict[str, Any]) -> None:
    nulls = {"seed": None, "parallelism": None, "storage": None, "retention": {"onDelete": None}}
    written = {**small, "spec": {**small["spec"], **nulls}, "status": {"phase": "Running"}}
    assert parse(written, source="test") == parse(small, source="test")


def test_any_mapping_will_do(small: dict[str, Any]) -> None:
    assert parse(MappingProxyType(small), source="test") == parse(small, source="test")


def test_python_names_are_not_wire_names(small: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PopulationSpec.model_validate({**small["spec"], "backoff_limit": 3})


def test_a_spec_cannot_be_changed(small: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec_of(small).members = 3  # type: ignore[misc]


def test_the_same_experiment_written_differently_has_the_same_identity(small: dict[str, Any]) -> None:
    other = yaml.safe_load(yaml.safe_dump(small))
    other["spec"]["hyperparameters"].reverse()
    other["spec"].update(seed=0, storage={"store": "default"}, members=3, suspend=True)
    other["spec"]["schedule"]["totalSteps"] = 8000
    assert identity(spec_of(small)) == identity(spec_of(other))
    assert changed_identity(spec_of(small), spec_of(other)) == []


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"seed": 1}, "spec.seed"),
        ({"storage": {"prefix": "team-a"}}, "spec.storage.prefix"),
        ({"objective": {"metric": "val_accuracy", "goal": "Minimize"}}, "spec.objective.goal"),
        ({"schedule": {"totalSteps": 4000, "intervalSteps": 100}}, "spec.schedule.intervalSteps"),
    ],
)
def test_another_experiment_is_told_by_path(small: dict[str, Any], part: dict[str, Any], path: str) -> None:
    other = {**small, "spec": {**small["spec"], **part}}
    assert changed_identity(spec_of(small), spec_of(other)) == [path]


def test_changed_hyperparameters_are_told_by_name(small: dict[str, Any]) -> None:
    other = yaml.safe_load(yaml.safe_dump(small))
    other["spec"]["hyperparameters"][0]["logUniform"]["max"] = 0.5
    other["spec"]["hyperparameters"][1]["name"] = "depth"
    assert changed_identity(spec_of(small), spec_of(other)) == [
        "spec.hyperparameters.lr.logUniform.max",
        "spec.hyperparameters.layers",
        "spec.hyperparameters.depth",
    ]
