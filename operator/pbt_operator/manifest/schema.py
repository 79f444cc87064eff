"""The JSON schema of the manifest, and what it asks for, in plain words."""

from collections.abc import Callable
from functools import cache

from pbt_operator.core.wire import MAX_REAL
from pbt_operator.core.wording import any_of
from pbt_operator.manifest.hyperparameters import NAME_PATTERN
from pbt_operator.manifest.json_schema import Schema, schema_of
from pbt_operator.manifest.objective_schedule import METRIC_PATTERN
from pbt_operator.manifest.population import Population
from pbt_operator.manifest.population_spec import (
    LABEL_PATTERN,
    LOCATION_PATTERN,
    PREFIX_PATTERN,
    SUBDOMAIN_PATTERN,
)

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
