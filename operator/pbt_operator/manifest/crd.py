"""The CustomResourceDefinition of Population, made of the models, the rules and the words of the status.

`python -m pbt_operator.manifest.crd` prints it; with `--check FILE` it fails where the file is another one.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.rules import EXPLOITS
from pbt_operator.core.wire import MAX_REAL, OPEN
from pbt_operator.manifest.cel_rules import RULES, pattern_rule
from pbt_operator.manifest.exploit_explore import NAMED_EXPLORES
from pbt_operator.manifest.json_schema import Schema
from pbt_operator.manifest.schema import manifest_schema, wanted
from pbt_operator.manifest.status_schema import status_schema

FILE = "charts/pbt-operator/files/population-crd.yaml"
COMMAND = f"python -m pbt_operator.manifest.crd > {FILE}"

LISTS: dict[str, Schema] = {
    "spec.hyperparameters": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
}
"""Lists whose items have to differ; the others are atomic.

`choice.values` is none: the server would compare sets by hashes, which values that only the operator refuses have not.
"""

NULLS = {
    *(f"spec.exploit.{arm}" for arm in EXPLOITS),
    *(f"spec.explore.{arm}" for arm in NAMED_EXPLORES),
    "spec.hyperparameters[].choice.values[]",
}
"""Where a null is kept, for the operator to refuse it: pruned, `tTest:` without `{}` would read as truncation."""

UNFILLED = {"spec.exploit", "spec.explore"}
"""Mappings whose fields the API server doesn't fill in: what is absent there is for the strategy to say."""

BOUNDED = {"integer", "number", "string", "array"}
KEPT = tuple(f"type enum default minLength maxLength minItems maxItems maxProperties {OPEN} required".split())


def definition() -> dict[str, Any]:
    """The whole resource."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "populations.pbt.dev"},
        "spec": {
            "group": "pbt.dev",
            "names": {
                "kind": "Population",
                "listKind": "PopulationList",
                "plural": "populations",
                "singular": "population",
                "shortNames": ["pop", "pbt"],
                "categories": ["pbt"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.members",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": _columns(),
                }
            ],
        },
    }


def _columns() -> list[dict[str, Any]]:
    shown = [
        ("Phase", "string", ".status.phase"),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        ("Progress", "string", ".status.progress"),
        ("Running", "string", ".status.running"),
        ("Best", "string", ".status.bestScore"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ]
    wide = [
        ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        ("Members", "integer", ".spec.members"),
        ("Failed", "integer", ".status.failedMembers"),
        ("Step", "integer", ".status.best.step"),
        ("Rounds", "integer", ".status.rounds"),
        ("Exploits", "integer", ".status.exploits"),
        ("Births", "integer", ".status.births"),
        ("Strategy", "string", ".status.strategy"),
        ("Store", "string", ".spec.storage.store"),
    ]
    columns = [{"name": name, "type": kind, "jsonPath": path} for name, kind, path in shown]
    return columns + [
        {"name": name, "type": kind, "jsonPath": path, "priority": 1} for name, kind, path in wide
    ]


def _root() -> Schema:
    whole = manifest_schema()
    named = {
        name: {"description": whole["properties"][name]["description"], "type": "string"}
        for name in ("apiVersion", "kind")
    }
    root = {
        "description": whole["description"],
        "type": "object",
        "required": ["spec"],
        "properties": {
            **named,
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural(whole["properties"]["spec"], "spec"),
            "status": status_schema(),
        },
    }
    return _with_rules(root, RULES[""])


def structural(node: Schema, path: str) -> Schema:
    """A part of the manifest's schema as the API server takes it, with its rules.

    Mappings are closed by pruning and strict validation, an exclusive bound is a flag beside the bound, and a mapping
    to values of any type is an open one, since expressions can't see it otherwise.
    """
    made = {**_described(node), **{key: node[key] for key in KEPT if key in node}}
    if path.rpartition(".")[0] in UNFILLED:
        made.pop("default", None)
    if isinstance(made.get("default"), dict):
        made["default"] = {}  # its fields have defaults of their own
    made |= _bounds(node)
    if isinstance(values := node.get("additionalProperties"), dict):
        assert OPEN in values, path
        made[OPEN] = True
    if path in NULLS:
        made["nullable"] = True
    if "properties" in node:
        fields = node["properties"].items()
        made["properties"] = {name: structural(field, f"{path}.{name}") for name, field in fields}
    if "items" in node:
        made |= LISTS.get(path, {})
        made["items"] = structural(node["items"], f"{path}[]")
    patterns = (pattern_rule(node),) if "pattern" in node else ()
    return _with_rules(made, (*patterns, *RULES.get(path, ())))


def _described(node: Schema) -> Schema:
    """The description with what `kubectl explain` doesn't show by itself: the bounds and the default."""
    if "description" not in node:
        return {}
    told, asked, default = [node["description"]], wanted(node), node.get("default")
    if "enum" not in node and node.get("type") in BOUNDED and asked != "a number":
        told.append(f"{asked[0].upper()}{asked[1:]}.")
    if default is not None and not isinstance(default, dict):
        told.append(f"Default: {default if isinstance(default, str) else json.dumps(default)}.")
    return {"description": " ".join(told)}


def _bounds(node: Schema) -> Schema:
    bounds: Schema = {}
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        value = node.get(bound, node.get(exclusive))
        # The API server would compare whole numbers with larger ones as 64 bits, and refuse them.
        if value is not None and abs(value) < MAX_REAL:
            bounds |= {bound: value, **({exclusive: True} if exclusive in node else {})}
    return bounds


def _with_rules(node: Schema, rules: tuple[CelRule, ...]) -> Schema:
    return {**node, "x-kubernetes-validations": [rule.to_wire() for rule in rules]} if rules else node


def text() -> str:
    """The file."""
    dumped: str = yaml.safe_dump(definition(), sort_keys=False, width=110)
    return f"# Made of the models: {COMMAND}\n{dumped}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the file, or checks it."""
    parser = argparse.ArgumentParser(prog="python -m pbt_operator.manifest.crd", description=__doc__)
    parser.add_argument("--check", metavar="FILE", type=Path, help="fail if this file is another one")
    file: Path | None = parser.parse_args(arguments).check
    if file is None:
        sys.stdout.write(text())
    elif not file.exists() or file.read_text(encoding="utf-8") != text():
        sys.exit(f"{file} isn't what the models say; run: {COMMAND}")


if __name__ == "__main__":
    main()
