"""Says in plain words what the models refuse: the value found, what would be right, the nearest spelling."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from pbt_operator.core.wire import Path
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import Problem, dotted
from pbt_operator.manifest.json_schema import Schema, schema_at
from pbt_operator.manifest.reader import scalar

MAX_EXPLAINED = 200  # a search for what was meant takes a while


def problems_in(
    error: ValidationError, schema: Schema, *, words: Callable[[Schema], str]
) -> Iterator[Problem]:
    """The wrong fields that a validation of a whole document found.

    Args:
        error: what pydantic found.
        schema: of the document, as `schema_of` makes it.
        words: completes `should be ...` for the schema of a field.
    """
    items = error.errors(include_url=False)
    unknown = [item["loc"] for item in items if item["type"] == "extra_forbidden"][:MAX_EXPLAINED]
    explained = {path: _unknown(path, schema) for path in unknown}
    misspelt = {_meant(path, schema) for path in unknown}
    for item in items:
        path, kind, found = item["loc"], item["type"], item["input"]
        asked = schema_at(path, schema)
        if kind == "rule":
            yield from (Problem((*path, *below), text) for below, text in item["ctx"]["rules"])
        elif kind == "extra_forbidden":
            yield Problem(path, explained.get(path, "unknown field"))
        elif kind == "missing":
            if path not in misspelt:
                yield Problem(path, f"is missing; should be {words(asked)}")
        elif kind != "too_short" or len(found) < item["ctx"]["min_length"]:  # else only its items are wrong
            yield Problem(path, f"is {shown(found)}; should be {words(asked)}{_hint(found, asked)}")


def _hint(found: Any, asked: Schema) -> str:
    """What is easily mixed up: YAML reads `yes` as true and `8` as a number, unless they are in quotes."""
    kind = asked.get("type")
    if kind == "string" and "enum" not in asked and isinstance(found, bool | int | float):
        return ", in quotes"
    quoted = isinstance(found, str) and isinstance(scalar(found), bool | int | float)
    return ", not in quotes" if quoted and kind in {"integer", "number", "boolean"} else ""


def _unknown(path: Path, schema: Schema) -> str:
    meant = _meant(path, schema)
    if meant:
        return f"unknown field; did you mean {meant[-1]}?"
    homes = [place for place in _fields(schema, ()) if place[-1] == path[-1]]
    if len(homes) == 1:
        return f"unknown field here; it belongs {f'in {dotted(home)}' if (home := homes[0][:-1]) else 'at the top'}"
    siblings = _siblings(path, schema)
    if not siblings:
        return "unknown field; nothing belongs here"
    return f"unknown field; should be one of {', '.join(siblings[:8])}{', ...' if len(siblings) > 8 else ''}"


def _meant(path: Path, schema: Schema) -> Path | None:
    """The field that an unknown one was probably meant to be, whatever its case, underscores and end."""
    plain = {_plain(field): field for field in _siblings(path, schema)}
    name = _plain(str(path[-1])[:64])
    found = get_close_matches(name, plain, n=1, cutoff=0.7)
    found = found or [field for field in plain if len(name) > 2 and field.startswith(name)]
    return (*path[:-1], plain[found[0]]) if found else None


def _siblings(path: Path, schema: Schema) -> list[str]:
    return list(schema_at(path[:-1], schema).get("properties", {}))


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _fields(node: Schema, path: Path) -> Iterator[Path]:
    """The paths of all fields; those of a list's items are left out, since one can't say of which item."""
    for name, field in node.get("properties", {}).items():
        yield (*path, name)
        yield from _fields(field, (*path, name))
