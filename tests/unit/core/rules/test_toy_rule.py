"""A rule and a distribution are one file and one line each: all else follows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

TESTS = Path(__file__).parents[3]
ARMS = ["logUniform", "uniform", "integer", "choice or powerOfTwo"]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What follows from the toys' files and lines."""
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.toy_population"],
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'tools'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def spec_schema(told: dict[str, Any]) -> dict[str, Any]:
    [version] = told["crd"]["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return schema


def test_the_custom_resource_has_their_arms(told: dict[str, Any]) -> None:
    schema = spec_schema(told)
    elite = schema["exploit"]["properties"]["elite"]
    assert elite["description"] == "All but the best few members copy one of these."
    assert elite["properties"]["size"]["maximum"] == 100
    assert elite["nullable"]
    centre = schema["explore"]["properties"]["centre"]["properties"]["share"]
    assert (centre["default"], centre["exclusiveMaximum"]) == (0.5, True)
    power = schema["hyperparameters"]["items"]["properties"]["powerOfTwo"]
    assert power["required"] == ["min", "max"]


def test_the_custom_resource_has_their_rules(told: dict[str, Any]) -> None:
    schema = spec_schema(told)
    [one_exploit] = schema["exploit"]["x-kubernetes-validations"]
    assert "has(self.elite)" in one_exploit["rule"]
    assert one_exploit["message"].endswith("tTest, none or elite")
    hyperparameter = schema["hyperparameters"]["items"]
    assert "has(self.powerOfTwo)" in hyperparameter["x-kubernetes-validations"][0]["rule"]
    assert hyperparameter["properties"]["powerOfTwo"]["x-kubernetes-validations"][0]["fieldPath"] == ".min"


def test_the_reference_has_their_fields(told: dict[str, Any]) -> None:
    assert "## `spec.exploit.elite`\n\nAll but the best few members copy one of these." in told["reference"]
    assert (
        "| `size` | a whole number from 1 to 100 | `1` | How many members the elite has." in told["reference"]
    )
    together = "With `bandit` or `centre`, of which at most one can be given, the other fields aren't used."
    assert together in told["reference"]
    assert "`integer`, `choice` and `powerOfTwo`." in told["reference"]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("a field", "spec.exploit.elite.size: is 0; should be a whole number from 1 to 100"),
        ("a name", "spec.exploit.elit: unknown field; did you mean elite?"),
        ("two exploits", "spec.exploit: has tTest and elite; should have only one of them"),
        ("an empty exploit", "spec.exploit.elite: is empty; should be elite: {}"),
        ("an explore's field", "spec.explore.centre.share: is 2; should be a number above 0 and below 1"),
        ("an empty explore", "spec.explore.centre: is empty; should be centre: {}"),
        (
            "a range",
            "spec.hyperparameters[0].powerOfTwo.min: is 4, the same as max 4; should be smaller than max",
        ),
        (
            "no distribution",
            "spec.hyperparameters[0]: has no distribution; should have exactly one of " + ", ".join(ARMS),
        ),
        ("a value", "spec.initial[0].depth: is 3; should be a power of two from 1 to 16"),
    ],
)
def test_an_error_names_the_path_and_the_remedy(told: dict[str, Any], wrong: str, problem: str) -> None:
    assert told["problems"]["nothing"] == []
    assert told["problems"][wrong] == [problem]


def test_a_run_records_their_decisions_and_is_audited_clean(told: dict[str, Any]) -> None:
    run = told["toys"]
    assert run["ended"]
    decisions = [decision for decided in run["rounds"] for decision in decided["decisions"]]
    assert len(decisions) > 9
    assert all("is not of the elite; copies member" in decision["reason"] for decision in decisions)
    assert {decision["hyperparameters"]["depth"] for decision in decisions} <= {1, 2, 4, 8, 16}
    assert {decision["operations"]["depth"] for decision in decisions} >= {"doubled", "halved"}
    assert not any("recorded" in decided for decided in run["rounds"])
    assert run["violations"] == []


def test_the_page_shows_them(told: dict[str, Any]) -> None:
    page = told["toys"]["page"]
    assert "is not of the elite; copies member" in page
    assert "elite:" in page
    assert '{"name":"depth","explored":true,"kind":"log","min":1,"max":16}' in page.replace(" ", "")


def test_a_recorded_rule_gets_the_rounds_that_it_declares(told: dict[str, Any]) -> None:
    run = told["recorded"]
    looked_at = [decided["recorded"]["earlier"] for decided in run["rounds"] if decided["decisions"]]
    assert looked_at[2:] == [[number - 2, number - 1] for number in range(3, len(looked_at) + 1)]
    words = {
        word for d in run["rounds"] for decision in d["decisions"] for word in decision["operations"].values()
    }
    assert words == {"to the centre", "kept"}
    assert run["violations"] == []


def test_a_new_operator_looks_at_the_same_rounds(told: dict[str, Any]) -> None:
    assert told["recorded with restarts"]["rounds"] == told["recorded"]["rounds"]
