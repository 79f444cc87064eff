"""Every wrong field is named with its path, with what was found and what would be right."""

import re
from typing import Any

import pytest

from pbt_operator.api.errors import ManifestError
from pbt_operator.api.load import parse

MISSING = object()

# Where, what is put there (or that the field is taken out), what the message says, and the path that it is
# about where that is another one (`*` stands for the first).
WRONG: list[tuple[str, Any, str] | tuple[str, Any, str, str]] = [
    ("apiVersion", "pbt.dev/v1", "is 'pbt.dev/v1'; should be pbt.dev/v1alpha1"),
    ("kind", "Job", "is 'Job'; should be Population"),
    ("specs", {}, "unknown field; did you mean spec?"),
    ("spec", MISSING, "is missing; should be a mapping with members, parallelism"),
    ("spec", 5, "is 5; should be a mapping with members"),
    ("metadata.name", MISSING, "is missing"),
    ("metadata.name", "Digits", "is 'Digits'; should be a text of 1 to 40 characters of a-z"),
    ("metadata.name", "a" * 41, "should be a text of 1 to 40 characters"),
    ("metadata.name", 7, "is 7; should be a text"),
    ("metadata.name", "a\n", "is 'a\\n'; should be"),
    ("metadata.namespace", "team_a", "is 'team_a'"),
    ("spec.members", 0, "is 0; should be a whole number from 1 to 10000"),
    ("spec.members", 10001, "is 10001; should be a whole number from 1 to 10000"),
    ("spec.members", "8", "is '8'; should be a whole number from 1 to 10000, not in quotes"),
    ("spec.members", 2.5, "is 2.5; should be a whole number"),
    ("spec.members", True, "is true; should be a whole number"),
    ("spec.members", None, "is missing; should be a whole number"),
    ("spec.members", 10**400, "is a huge number; should be a whole number"),
    ("spec.parallelism", 0, "is 0; should be a whole number from 1"),
    ("spec.replicas", 8, "unknown field; should be one of members"),
    ("spec.intervalSteps", 8, "unknown field here; it belongs in spec.schedule"),
    ("spec.Members", 8, "unknown field; did you mean members?"),
    ("spec.\x1b[31m", 1, "unknown field"),
    ("spec.objective", "accuracy", "is 'accuracy'; should be a mapping with metric, goal, target"),
    ("spec.objective.metric", "", "is ''; should be a text of 1 to 128 characters"),
    ("spec.objective.metric", True, "is true; should be a text of 1 to 128 characters, in quotes"),
    ("spec.objective.goal", "maximize", "is 'maximize'; should be Maximize or Minimize"),
    ("spec.objective.goal", MISSING, "is missing; should be Maximize or Minimize"),
    ("spec.objective.target", "0.9", "is '0.9'; should be a number, not in quotes"),
    ("spec.objective.target", float("nan"), "is nan; should be a number"),
    ("spec.schedule.interval_steps", 5, "did you mean intervalSteps?"),
    ("spec.schedule.totalSteps", 0, "is 0; should be a whole number from 1 to"),
    ("spec.schedule.totalSteps", 10**12, "should be a whole number from 1 to 999999999999"),
    ("spec.schedule.intervalSteps", 5000, "is 5000; should be at most totalSteps"),
    ("spec.schedule", {"totalSteps": 10**9, "intervalSteps": 1}, "should be at least 101", "*.intervalSteps"),
    ("spec.schedule.burnInSteps", 4000, "is 4000; should be below totalSteps"),
    ("spec.schedule.burnInSteps", -1, "is -1"),
    ("spec.schedule.quorumPercent", 40, "is 40; should be a whole number from 50 to 100"),
    ("spec.hyperparameters", [], "is an empty list; should be a list of 1 to 64"),
    ("spec.hyperparameters", {"lr": 1}, "is a mapping; should be a list of 1 to 64"),
    ("spec.hyperparameters.1.name", "lr", "is the name of hyperparameters[0] too"),
    ("spec.hyperparameters.0.name", "l r", "is 'l r'"),
    (
        "spec.hyperparameters.1.integer",
        MISSING,
        "has no distribution; should have exactly one of",
        "spec.hyperparameters[1]",
    ),
    (
        "spec.hyperparameters.1.uniform",
        {"min": 0, "max": 1},
        "has uniform and integer; should have",
        "spec.hyperparameters[1]",
    ),
    ("spec.hyperparameters.1.explore", False, "is false; should be Always or Never"),
    ("spec.hyperparameters.1.loguniform", {}, "did you mean logUniform?"),
    ("spec.hyperparameters.0.logUniform.min", 2, "is 2, above max 1; should be smaller"),
    ("spec.hyperparameters.0.logUniform.min", 1.0, "the same as max 1"),
    ("spec.hyperparameters.0.logUniform.min", 0, "is 0; should be above 0"),
    (
        "spec.hyperparameters.0.logUniform.of",
        "OneMinus",
        "is 1; should be below 1",
        "spec.hyperparameters[0].logUniform.max",
    ),
    ("spec.hyperparameters.0.logUniform.min", "1e-4x", "is '1e-4x'; should be a number"),
    ("spec.hyperparameters.0.logUniform.max", 10**400, "is a huge number; should be"),
    (
        "spec.hyperparameters.1.integer.max",
        1,
        "is 1, the same as max 1",
        "spec.hyperparameters[1].integer.min",
    ),
    ("spec.hyperparameters.1.integer.max", 3.5, "is 3.5; should be a whole number"),
    ("spec.hyperparameters.2.choice.values", ["sgd"], "is a list of 1; should be a list of 2"),
    ("spec.hyperparameters.2.choice.values", ["a", "b", "a"], "is 'a', which equals values[0]", "*[2]"),
    (
        "spec.hyperparameters.2.choice.values",
        ["a", [1]],
        "is a list of 1; should be a number, a text",
        "*[1]",
    ),
    ("spec.hyperparameters.2.choice.values", ["a", None], "is empty; should be a number, a text", "*[1]"),
    ("spec.hyperparameters.2.choice.values", [1, float("inf")], "is inf", "*[1]"),
    ("spec.hyperparameters.2.choice.order", "Sorted", "should be Ordered or Unordered"),
    ("spec.initial", [{"lr": 2}], "is 2; should be a number from 0.0001 to 1", "*[0].lr"),
    ("spec.initial", [{}, {"layers": 1.5}], "is 1.5; should be a whole number from 1 to 4", "*[1].layers"),
    ("spec.initial", [{"lr": True}], "is true; should be a number from", "*[0].lr"),
    ("spec.initial", [{"optimizer": "adam"}], "is 'adam'; should be 'sgd' or 'adamw'", "*[0].optimizer"),
    (
        "spec.initial",
        [{"momentum": 0.9}],
        "no hyperparameter has this name; should be lr, layers or",
        "*[0].momentum",
    ),
    ("spec.initial", [{"lr": {}}], "is an empty mapping; should be a number, a text", "*[0].lr"),
    ("spec.initial", [{}] * 9, "is a list of 9; should not be longer than members, which is 8"),
    ("spec.exploit.truncation", {"percent": 51}, "is 51; should be a whole number from 1 to 50", "*.percent"),
    ("spec.exploit.truncation", None, "is empty; should be truncation: {}"),
    ("spec.exploit", {"none": {}, "tTest": {}}, "has tTest and none; should have only one of them"),
    (
        "spec.exploit",
        {"tTest": {"pValue": 0}},
        "is 0; should be a number above 0 and below 1",
        "*.tTest.pValue",
    ),
    ("spec.exploit", {"percent": 20}, "it belongs in spec.exploit.truncation", "*.percent"),
    ("spec.exploit", {"none": {"percent": 20}}, "it belongs in spec.exploit.truncation", "*.none.percent"),
    ("spec.exploit", {"none": {"loud": 20}}, "nothing belongs here", "*.none.loud"),
    ("spec.exploit", {"minGap": -0.1}, "is -0.1; should be a number of at least 0", "*.minGap"),
    ("spec.exploit", {"copy": "All"}, "is 'All'; should be Both, Weights or Hyperparameters", "*.copy"),
    ("spec.explore", {"factors": []}, "is an empty list; should be a list of 1 to 16", "*.factors"),
    ("spec.explore", {"factors": [1.2, 0]}, "is 0; should be a number above 0", "*.factors[1]"),
    ("spec.explore", {"factors": 1.2}, "is 1.2; should be a list", "*.factors"),
    (
        "spec.explore",
        {"resamplePercent": 101},
        "is 101; should be a whole number from 0 to 100",
        "*.resamplePercent",
    ),
    (
        "spec.storage",
        {"prefix": "../other"},
        "is '../other'; should be a text of 1 to 128 characters of folder",
        "*.prefix",
    ),
    ("spec.storage", {"prefix": "/a"}, "is '/a'", "*.prefix"),
    ("spec.storage", {"prefix": "a//b"}, "is 'a//b'", "*.prefix"),
    ("spec.storage", {"adopt": "digits"}, "is 'digits'; should be a text", "*.adopt"),
    (
        "spec.storage",
        {"credentialsSecretRef": "s3"},
        "is 's3'; should be a mapping with name",
        "*.credentialsSecretRef",
    ),
    ("spec.retention", {"checkpointsPerMember": 0}, "is 0", "*.checkpointsPerMember"),
    ("spec.retention", {"onDelete": "Keep"}, "should be Retain or Delete", "*.onDelete"),
    ("spec.restart", "Always", "should be Recreate or InPlace"),
    ("spec.seed", -1, "is -1; should be a whole number from 0"),
    ("spec.suspend", "yes", "is 'yes'; should be true or false, not in quotes"),
    ("spec.suspend", 1, "is 1; should be true or false"),
    ("spec.activeDeadlineSeconds", 0, "is 0"),
    ("spec.template", MISSING, "is missing; should be a mapping"),
    ("spec.template", [], "is an empty list; should be a mapping"),
]


def put(tree: Any, where: str, value: Any) -> None:
    """Sets a field, or takes it out."""
    *parents, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    for part in parents:
        tree = tree.setdefault(part, {}) if isinstance(part, str) else tree[part]
    if value is MISSING:
        del tree[last]
    else:
        tree[last] = value


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0]}: {case[2]}")
def test_a_wrong_field_is_named_with_the_remedy(
    small: dict[str, Any], case: tuple[str, Any, str, str]
) -> None:
    where, value, phrase, path = (*case, "*")[:4]
    put(small, where, value)
    with pytest.raises(ManifestError) as raised:
        parse(small, source="digits.yaml")
    (problem,) = [str(found) for found in raised.value.problems]
    itself = re.sub(r"\.(\d+)", r"[\1]", where).replace("\x1b", r"\x1b")
    assert problem.startswith(f"{path.replace('*', itself)}: ")
    assert phrase in problem
    assert "\x1b" not in str(raised.value)


def test_all_wrong_fields_come_in_one_message(small: dict[str, Any]) -> None:
    put(small, "spec.members", 0)
    put(small, "spec.hyperparameters.0.logUniform.min", 2)
    put(small, "spec.schedule.intervallSteps", small["spec"]["schedule"].pop("intervalSteps"))
    put(small, "spec.initial", [{"lr": "x"}])
    with pytest.raises(ManifestError) as raised:
        parse(small, source="digits.yaml")
    assert str(raised.value) == (
        "digits.yaml: 3 fields are wrong; nothing was started.\n"
        "  spec.members: is 0; should be a whole number from 1 to 10000\n"
        "  spec.schedule.intervallSteps: unknown field; did you mean intervalSteps?\n"
        "  spec.hyperparameters[0].logUniform.min: is 2, above max 1; should be smaller than max"
    )


def test_a_message_shortens_what_it_quotes_and_stays_readable(small: dict[str, Any]) -> None:
    put(small, "spec.objective.goal", "\x1b[2J\u202e" + "x" * 10_000)
    for number in range(200):
        put(small, f"spec.nonsense{number}", number)
    with pytest.raises(ManifestError) as raised:
        parse(small, source="digits.yaml")
    text = str(raised.value)
    assert r"is '\x1b[2J\u202exxx" in text
    assert text.count("\n") == 51
    assert text.endswith("and 151 more")
    assert len(text) < 12_000
