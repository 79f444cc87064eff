"""JSON schemas of pydantic models without references and unions, so that each field can be looked up by its path."""

from typing import Any

from pydantic import BaseModel

from pbt_operator.core.wire import Path

Schema = dict[str, Any]


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
