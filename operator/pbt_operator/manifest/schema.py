"""The JSON schema of the manifest without references and unions, and what it asks for, in plain words."""

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import BaseModel

from pbt_operator.core.wire import MAX_REAL, Path
from pbt_operator.core.wording import any_of
from pbt_operator.manifest.hyperparameters import NAME_PATTERN
from pbt_operator.manifest.population import Population
from pbt_operator.manifest.population_spec import (
    LABEL_PATTERN,
    LOCATION_PATTERN,
    METRIC_PATTERN,
    PREFIX_PATTERN,
    SUBDOMAIN_PATTERN,
)

Schema = dict[str, Any]

PATTERNS = {
    LABEL_PATTERN: "of a-z, 0-9 and '-', with a letter or digit at both ends",
    SUBDOMAIN_PATTERN: "of a-z, 0-9, '-' and '.', with a letter or digit at both ends",
    NAME_PATTERN: "of letters, digits, '_', '-' and '.', beginning with a letter or '_'",
    PREFIX_PATTERN: "of folder names, joined by '/', of letters, digits, '_', '-' and '.'",
    METRIC_PATTERN: "without control characters",
    LOCATION_PATTERN: "that ends in '-' and the first 8 characters of a UID",
}
MAX_FIELDS_NAMED = 6


@cache
def manifest_schema() -> Schema:
    """The schema of the whole manifest; by field, by its name on the wire."""
    return schema_of(Population)


def schema_of(model: type[BaseModel]) -> Schema:
    """The schema of all that a model takes, by the fields' names on the wire."""
    whole = model.model_json_schema()
    return _inlined(whole, whole.get("$defs", {}))


def _inlined(node: Schema, definitions: Schema) -> Schema:
    """The node with references replaced and `X or null` as X: an absent field and a null are the same."""
    node = {key: value for key, value in node.items() if key not in {"$defs", "title"}}
    if "$ref" in node:
        target = definitions[node.pop("$ref").rpartition("/")[2]]
        return _inlined({**target, **node}, definitions)
    if "anyOf" in node:
        (option,) = [option for option in node.pop("anyOf") if option != {"type": "null"}]
        node.pop("default", None)
        return _inlined({**option, **node}, definitions)
    if isinstance(node.get("default"), dict):
        node["default"] = {name: value for name, value in node["default"].items() if value is not None}
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "properties" in node:
        node["properties"] = {
            name: _inlined(field, definitions) for name, field in node["properties"].items()
        }
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            node[inner] = _inlined(node[inner], definitions)
    return node


def schema_at(path: Path, schema: Schema) -> Schema:
    """The schema of the field at `path` below `schema`; empty where nothing is known of it."""
    node = schema
    for part in path:
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            other = node.get("additionalProperties")
            node = node.get("properties", {}).get(part, other if isinstance(other, dict) else {})
    return node


def wanted(node: Schema) -> str:
    """What a schema asks for, such as `a whole number from 1 to 10000`."""
    kind = "enum" if "enum" in node else node.get("type")
    return (
        _WORDS[kind](node) if kind in _WORDS else "a number, a text of at most 256 characters, true or false"
    )


def _text(node: Schema) -> str:
    form = f" {PATTERNS[node['pattern']]}" if "pattern" in node else ""
    size = f" of {node.get('minLength', 1)} to {node['maxLength']} characters" if "maxLength" in node else ""
    return f"a text{size}{form}"


def _list(node: Schema) -> str:
    least = node.get("minItems", 0)
    return f"a list of {f'{least} to' if least else 'at most'} {node['maxItems']}"


def _mapping(node: Schema) -> str:
    names = list(node.get("properties", ()))
    more = ", ..." if len(names) > MAX_FIELDS_NAMED else ""
    return f"a mapping with {', '.join(names[:MAX_FIELDS_NAMED])}{more}" if names else "a mapping"


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None and max(abs(low), abs(high)) < MAX_REAL:
        return f" from {low} to {high}"
    parts = [
        f"{word} {bound:g}"
        for word, bound in (("of at least", low), ("above", above), ("at most", high), ("below", below))
        if bound is not None and abs(bound) < MAX_REAL
    ]
    return f" {' and '.join(parts)}" if parts else ""


_WORDS: dict[str, Callable[[Schema], str]] = {
    "enum": lambda node: any_of(node["enum"]),
    "integer": lambda node: f"a whole number{_range(node)}",
    "number": lambda node: f"a number{_range(node)}",
    "boolean": lambda _: "true or false",
    "string": _text,
    "array": _list,
    "object": _mapping,
}
