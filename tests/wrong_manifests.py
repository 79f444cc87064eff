"""Wrong manifests, each with who refuses it and by which words: shared by the models, the resource and the cluster."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

GOOD: dict[str, Any] = {
    "apiVersion": "pbt.dev/v1alpha1",
    "kind": "Population",
    "metadata": {"name": "digits"},
    "spec": {
        "members": 8,
        "objective": {"metric": "val_accuracy", "goal": "Maximize"},
        "schedule": {"totalSteps": 4000, "intervalSteps": 200},
        "hyperparameters": [
            {"name": "lr", "logUniform": {"min": 0.0001, "max": 1}},
            {"name": "layers", "integer": {"min": 1, "max": 4}},
            {"name": "optimizer", "choice": {"values": ["sgd", "adamw"]}},
        ],
        "template": {"spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"]}]}},
    },
}
"""A manifest with the required fields only."""

MISSING = object()
"""In place of a value: the field is taken out."""

OPERATOR = None
"""In place of the API server's words: it can't know; the operator says its own in the condition `Accepted`."""


@dataclass(frozen=True)
class Wrong:
    """One change that makes `GOOD` wrong.

    Attributes:
        where: the field, dotted, with the numbers of list items.
        value: what is put there.
        operator: in the words of the models, which the operator and `pbt run` show.
        server: in the words of the API server, as kubectl shows them; `OPERATOR` if it admits this.
        path: of the field that the models' message is about; `*` stands for `where`.
    """

    where: str
    value: Any
    operator: str
    server: str | None
    path: str = "*"

    @property
    def manifest(self) -> dict[str, Any]:
        """`GOOD` with the change."""
        tree = deepcopy(GOOD)
        put(tree, self.where, self.value)
        return tree

    def __str__(self) -> str:
        """The name of its test."""
        return f"{self.where}: {self.operator}"


def put(tree: Any, where: str, value: Any) -> None:
    """Sets a field, or takes it out."""
    *parents, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    for part in parents:
        tree = tree.setdefault(part, {}) if isinstance(part, str) else tree[part]
    if value is MISSING:
        del tree[last]
    else:
        tree[last] = value


_NAME = (
    "metadata.name: Invalid value: should be a text of 1 to 40 characters of a-z, 0-9 and '-', with a letter"
)
_ONE_ARM = "spec.hyperparameters[1]: Invalid value: should have exactly one of logUniform, uniform, integer or choice"
_LR = "spec.hyperparameters[0].logUniform"
_CHOICE = "spec.hyperparameters[2].choice"

WRONG = [
    Wrong("apiVersion", "pbt.dev/v1", "is 'pbt.dev/v1'; should be pbt.dev/v1alpha1",
          'no matches for kind "Population" in version "pbt.dev/v1"'),
    Wrong("kind", "Job", "is 'Job'; should be Population", 'no matches for kind "Job"'),
    Wrong("spec", MISSING, "is missing; should be a mapping with members", "spec: Required value"),
    Wrong("spec", 5, "is 5; should be a mapping with members", "spec in body must be of type object"),
    Wrong("metadata.name", "a.b", "is 'a.b'; should be a text of 1 to 40 characters of a-z", _NAME),
    Wrong("metadata.name", "a" * 41, "should be a text of 1 to 40 characters", _NAME),
    Wrong("spec.members", 0, "is 0; should be a whole number from 1 to 10000",
          "spec.members in body should be greater than or equal to 1"),
    Wrong("spec.members", 10001, "is 10001; should be a whole number from 1 to 10000",
          "spec.members in body should be less than or equal to 10000"),
    Wrong("spec.members", "8", "is '8'; should be a whole number from 1 to 10000, not in quotes",
          'spec.members in body must be of type integer: "string"'),
    Wrong("spec.members", 2.5, "is 2.5; should be a whole number", "spec.members in body must be of type integer"),
    Wrong("spec.members", True, "is true; should be a whole number", "spec.members in body must be of type integer"),
    Wrong("spec.members", None, "is missing; should be a whole number", "spec.members: Required value"),
    Wrong("spec.parallelism", 0, "is 0; should be a whole number from 1",
          "spec.parallelism in body should be greater than or equal to 1"),
    Wrong("spec.replicas", 8, "unknown field; should be one of members", 'unknown field "spec.replicas"'),
    Wrong("spec.intervalSteps", 8, "unknown field here; it belongs in spec.schedule",
          'unknown field "spec.intervalSteps"'),
    Wrong("spec.Members", 8, "unknown field; did you mean members?", 'unknown field "spec.Members"'),
    Wrong("spec.objective", "accuracy", "is 'accuracy'; should be a mapping with metric, goal, target",
          "spec.objective in body must be of type object"),
    Wrong("spec.objective.metric", "", "is ''; should be a text of 1 to 128 characters",
          "spec.objective.metric in body should be at least 1 chars long"),
    Wrong("spec.objective.metric", True,
          "is true; should be a text of 1 to 128 characters without control characters, in quotes",
          'spec.objective.metric in body must be of type string: "boolean"'),
    Wrong("spec.objective.goal", "maximize", "is 'maximize'; should be Maximize or Minimize",
          'spec.objective.goal: Unsupported value: "maximize": supported values: "Maximize", "Minimize"'),
    Wrong("spec.objective.goal", MISSING, "is missing; should be Maximize or Minimize",
          "spec.objective.goal: Required value"),
    Wrong("spec.objective.target", "0.9", "is '0.9'; should be a number, not in quotes",
          'spec.objective.target in body must be of type number: "string"'),
    Wrong("spec.schedule.interval_steps", 5, "did you mean intervalSteps?",
          'unknown field "spec.schedule.interval_steps"'),
    Wrong("spec.schedule.totalSteps", 0, "is 0; should be a whole number from 1 to",
          "spec.schedule.totalSteps in body should be greater than or equal to 1"),
    Wrong("spec.schedule.totalSteps", 10**12, "should be a whole number from 1 to 999999999999",
          "spec.schedule.totalSteps in body should be less than or equal to 999999999999"),
    Wrong("spec.schedule.intervalSteps", 5000, "is 5000; should be at most totalSteps, which is 4000",
          "spec.schedule.intervalSteps: Invalid value: is 5000; should be at most totalSteps, which is 4000"),
    Wrong("spec.schedule", {"totalSteps": 10**9, "intervalSteps": 1},
          "is 1; should be at least 101, for there are at most 9999999 rounds",
          "spec.schedule.intervalSteps: Invalid value: is 1; should be at least 101, for there are at most 9999999",
          "*.intervalSteps"),
    Wrong("spec.schedule.burnInSteps", 4000, "is 4000; should be below totalSteps, which is 4000",
          "spec.schedule.burnInSteps: Invalid value: is 4000; should be below totalSteps, which is 4000"),
    Wrong("spec.schedule.burnInSteps", -1, "is -1",
          "spec.schedule.burnInSteps in body should be greater than or equal to 0"),
    Wrong("spec.schedule.quorumPercent", 40, "is 40; should be a whole number from 50 to 100",
          "spec.schedule.quorumPercent in body should be greater than or equal to 50"),
    Wrong("spec.hyperparameters", [], "is an empty list; should be a list of 1 to 64",
          "spec.hyperparameters in body should have at least 1 items"),
    Wrong("spec.hyperparameters", [{"name": f"h{n}", "uniform": {"min": 0, "max": 1}} for n in range(65)],
          "is a list of 65; should be a list of 1 to 64",
          "spec.hyperparameters: Too many: 65: must have at most 64 items"),
    Wrong("spec.hyperparameters", {"lr": 1}, "is a mapping; should be a list of 1 to 64",
          'unknown field "spec.hyperparameters.lr"'),
    Wrong("spec.hyperparameters.1.name", "lr", "is the name of hyperparameters[0] too",
          'spec.hyperparameters[1]: Duplicate value: {"name":"lr"}'),
    Wrong("spec.hyperparameters.0.name", "l r",
          "is 'l r'; should be a text of 1 to 63 characters of letters, digits",
          'spec.hyperparameters[0].name: Invalid value: "l r": should be a text of 1 to 63 characters of letters'),
    Wrong("spec.hyperparameters.1.integer", MISSING, "has no distribution; should have exactly one of", _ONE_ARM,
          "spec.hyperparameters[1]"),
    Wrong("spec.hyperparameters.1.uniform", {"min": 0, "max": 1}, "has uniform and integer; should have", _ONE_ARM,
          "spec.hyperparameters[1]"),
    Wrong("spec.hyperparameters.1.explore", False, "is false; should be Always or Never",
          'spec.hyperparameters[1].explore: Unsupported value: false: supported values: "Always", "Never"'),
    Wrong("spec.hyperparameters.1.loguniform", {}, "did you mean logUniform?",
          'unknown field "spec.hyperparameters[1].loguniform"'),
    Wrong("spec.hyperparameters.0.logUniform.min", 2, "is 2, above max 1; should be smaller than max",
          f"{_LR}.min: Invalid value: is 2; should be smaller than max, which is 1"),
    Wrong("spec.hyperparameters.0.logUniform.min", 1.0, "the same as max 1",
          f"{_LR}.min: Invalid value: is 1; should be smaller than max, which is 1"),
    Wrong("spec.hyperparameters.0.logUniform.min", 0, "is 0; should be above 0, for its logarithm is drawn",
          f"{_LR}.min: Invalid value: is 0; should be above 0, for its logarithm is drawn"),
    Wrong("spec.hyperparameters.0.logUniform.of", "OneMinus",
          "is 1; should be below 1, for the logarithm of 1 minus it is drawn",
          f"{_LR}.max: Invalid value: is 1; should be below 1, for the logarithm of 1 minus it is drawn",
          f"{_LR}.max"),
    Wrong("spec.hyperparameters.0.logUniform.min", "1e-4x", "is '1e-4x'; should be a number",
          f'{_LR}.min in body must be of type number: "string"'),
    Wrong("spec.hyperparameters.1.integer.max", 1, "is 1, the same as max 1",
          "spec.hyperparameters[1].integer.min: Invalid value: is 1; should be smaller than max, which is 1",
          "spec.hyperparameters[1].integer.min"),
    Wrong("spec.hyperparameters.1.integer.max", 3.5, "is 3.5; should be a whole number",
          'spec.hyperparameters[1].integer.max in body must be of type integer: "number"'),
    Wrong("spec.hyperparameters.2.choice.values", ["sgd"], "is a list of 1; should be a list of 2",
          f"{_CHOICE}.values in body should have at least 2 items"),
    Wrong("spec.hyperparameters.2.choice.values", ["a", "b", "a"], "is 'a', which equals values[0]", OPERATOR, "*[2]"),
    Wrong("spec.hyperparameters.2.choice.values", ["a", "x" * 257], "should be a number, a text of at most 256",
          f"{_CHOICE}.values[1]: Too long: may not be more than 256 bytes", "*[1]"),
    Wrong("spec.hyperparameters.2.choice.values", ["a", [1]], "is a list of 1; should be a number", OPERATOR, "*[1]"),
    Wrong("spec.hyperparameters.2.choice.values", ["a", None], "is empty; should be a number", OPERATOR, "*[1]"),
    Wrong("spec.hyperparameters.2.choice.values", [True, 1], "is 1, which equals values[0]", OPERATOR, "*[1]"),
    Wrong("spec.hyperparameters.2.choice.order", "Sorted", "should be Ordered or Unordered",
          f'{_CHOICE}.order: Unsupported value: "Sorted": supported values: "Ordered", "Unordered"'),
    Wrong("spec.initial", [{"lr": 2}], "is 2; should be a number from 0.0001 to 1", OPERATOR, "*[0].lr"),
    Wrong("spec.initial", [{}, {"layers": 1.5}], "is 1.5; should be a whole number from 1 to 4", OPERATOR,
          "*[1].layers"),
    Wrong("spec.initial", [{"lr": True}], "is true; should be a number from", OPERATOR, "*[0].lr"),
    Wrong("spec.initial", [{"optimizer": "adam"}], "is 'adam'; should be 'sgd' or 'adamw'", OPERATOR,
          "*[0].optimizer"),
    Wrong("spec.initial", [{"momentum": 0.9}], "no hyperparameter has this name; should be lr, layers or", OPERATOR,
          "*[0].momentum"),
    Wrong("spec.initial", [{"lr": {}}], "is an empty mapping; should be a number, a text", OPERATOR, "*[0].lr"),
    Wrong("spec.initial", [{}] * 9, "is a list of 9; should not be longer than members, which is 8",
          "spec.initial: Invalid value: is a list of 9; should not be longer than members, which is 8"),
    Wrong("spec.initial", [1], "is 1; should be a mapping", "spec.initial[0] in body must be of type object", "*[0]"),
    Wrong("spec.exploit.truncation", {"percent": 51}, "is 51; should be a whole number from 1 to 50",
          "spec.exploit.truncation.percent in body should be less than or equal to 50", "*.percent"),
    Wrong("spec.exploit.tTest", None, "is empty; should be tTest: {}", OPERATOR),
    Wrong("spec.exploit", {"none": {}, "tTest": {}}, "has tTest and none; should have only one of them",
          "spec.exploit: Invalid value: should have only one of truncation, binaryTournament, tTest or none"),
    Wrong("spec.exploit", {"tTest": {"pValue": 0}}, "is 0; should be a number above 0 and below 1",
          "spec.exploit.tTest.pValue in body should be greater than 0", "*.tTest.pValue"),
    Wrong("spec.exploit", {"percent": 20}, "it belongs in spec.exploit.truncation",
          'unknown field "spec.exploit.percent"', "*.percent"),
    Wrong("spec.exploit", {"minGap": -0.1}, "is -0.1; should be a number of at least 0",
          "spec.exploit.minGap in body should be greater than or equal to 0", "*.minGap"),
    Wrong("spec.exploit", {"copy": "All"}, "is 'All'; should be Both, Weights or Hyperparameters",
          'spec.exploit.copy: Unsupported value: "All": supported values: "Both", "Weights", "Hyperparameters"',
          "*.copy"),
    Wrong("spec.explore", {"factors": []}, "is an empty list; should be a list of 1 to 16",
          "spec.explore.factors in body should have at least 1 items", "*.factors"),
    Wrong("spec.explore", {"factors": [1.2, 0]}, "is 0; should be a number above 0",
          "spec.explore.factors[1] in body should be greater than 0", "*.factors[1]"),
    Wrong("spec.explore", {"factors": 1.2}, "is 1.2; should be a list",
          "spec.explore.factors in body must be of type array", "*.factors"),
    Wrong("spec.explore", {"resamplePercent": 101}, "is 101; should be a whole number from 0 to 100",
          "spec.explore.resamplePercent in body should be less than or equal to 100", "*.resamplePercent"),
    Wrong("spec.storage", {"store": "Default"}, "is 'Default'; should be a text of 1 to 63 characters of a-z",
          'spec.storage.store: Invalid value: "Default": should be a text of 1 to 63 characters of a-z', "*.store"),
    Wrong("spec.storage", {"prefix": "../other"},
          "is '../other'; should be a text of 1 to 128 characters of folder names",
          'spec.storage.prefix: Invalid value: "../other": should be a text of 1 to 128 characters of folder names',
          "*.prefix"),
    Wrong("spec.storage", {"prefix": "/a"}, "is '/a'", 'spec.storage.prefix: Invalid value: "/a"', "*.prefix"),
    Wrong("spec.storage", {"prefix": "a//b"}, "is 'a//b'", 'spec.storage.prefix: Invalid value: "a//b"', "*.prefix"),
    Wrong("spec.storage", {"adopt": "digits"},
          "is 'digits'; should be a text of 1 to 49 characters that ends in '-' and the first 8",
          "spec.storage.adopt: Invalid value: \"digits\": should be a text of 1 to 49 characters that ends in '-'",
          "*.adopt"),
    Wrong("spec.storage", {"credentialsSecretRef": "s3"}, "is 's3'; should be a mapping with name",
          "spec.storage.credentialsSecretRef in body must be of type object", "*.credentialsSecretRef"),
    Wrong("spec.retention", {"checkpointsPerMember": 0}, "is 0; should be a whole number from 1 to 10",
          "spec.retention.checkpointsPerMember in body should be greater than or equal to 1",
          "*.checkpointsPerMember"),
    Wrong("spec.retention", {"onDelete": "Keep"}, "should be Retain or Delete",
          'spec.retention.onDelete: Unsupported value: "Keep": supported values: "Retain", "Delete"', "*.onDelete"),
    Wrong("spec.restart", "Always", "should be Recreate or InPlace",
          'spec.restart: Unsupported value: "Always": supported values: "Recreate", "InPlace"'),
    Wrong("spec.seed", -1, "is -1; should be a whole number from 0",
          "spec.seed in body should be greater than or equal to 0"),
    Wrong("spec.suspend", "yes", "is 'yes'; should be true or false, not in quotes",
          'spec.suspend in body must be of type boolean: "string"'),
    Wrong("spec.finish", 1, "is 1; should be true or false", "spec.finish in body must be of type boolean"),
    Wrong("spec.activeDeadlineSeconds", 0, "is 0; should be a whole number from 1",
          "spec.activeDeadlineSeconds in body should be greater than or equal to 1"),
    Wrong("spec.template", MISSING, "is missing; should be a mapping", "spec.template: Required value"),
    Wrong("spec.template", [], "is an empty list; should be a mapping",
          "spec.template in body must be of type object"),
]  # fmt: skip
