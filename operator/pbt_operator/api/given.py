"""What a caller gave as the manifest has it, and what is wrong with it in the caller's words.

Python has the manifest's fields in snake case; those of `objective` and `schedule` stand beside the others. No field is
listed here: which there are, and what they may be, the manifest's models say.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel, to_snake

from pbt_operator.api.spaces import Space
from pbt_operator.core.wire import Path as FieldPath
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import parse
from pbt_operator.manifest.objective_schedule import Objective, Schedule
from pbt_operator.manifest.population import Population

Command = Sequence[str]
Train = Callable[[Any], object] | str | os.PathLike[str] | Command
"""A function of `run`, the path of a script, or a command."""

NAMED = {"hyperparameters", "initial", "template"}
"""Fields whose mappings have names of the caller's own, which stay as they are."""

_PARTS: dict[str, type[BaseModel]] = {"objective": Objective, "schedule": Schedule}
_HOME = {to_camel(name): part for part, model in _PARTS.items() for name in model.model_fields}


def manifest_of(name: str, namespace: str | None, fields: Mapping[str, Any], *, source: str) -> Population:
    """The manifest.

    Args:
        name: the population's.
        namespace: on a cluster.
        fields: of the spec, in snake case; None where one isn't given.
        source: what a message calls the place where it was written.

    Raises:
        ManifestError: a field is wrong or unknown.
    """
    spec: dict[str, Any] = {}
    for field, value in fields.items():
        if value is None:
            continue
        key = to_camel(field)
        home = spec.setdefault(_HOME[key], {}) if key in _HOME else spec
        home[key] = _wire(value) if key in NAMED else _camel(_wire(value))
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    tree = {"apiVersion": "pbt.dev/v1alpha1", "kind": "Population", "metadata": metadata, "spec": spec}
    try:
        return parse(tree, source=source)
    except ManifestError as error:
        problems = [
            replace(p, path=_in_python(p.path, list(fields.get("hyperparameters", ()))))
            for p in error.problems
        ]
        raise ManifestError(source, problems) from None


def hyperparameters_of(given: Mapping[str, Space]) -> list[Any]:
    """As the manifest has them.

    Raises:
        TypeError: one is no distribution.
    """
    found = []
    for name, space in given.items():
        if not isinstance(space, Space):
            told = "pbt.LogUniform(1e-4, 1), pbt.Uniform, pbt.OneMinus, pbt.Integer or pbt.Choice"
            raise TypeError(
                f"hyperparameters[{name!r}] is {space!r}; should be a distribution such as {told}"
            )
        found.append(space.to_wire(name))
    return found


def template_of(command: Command, *, image: str | None, gpus: int) -> dict[str, Any]:
    """The pod template of a command."""
    container: dict[str, Any] = {"name": "trainer"}
    if image is not None:
        container["image"] = image
    container["command"] = list(command)
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    return {"spec": {"containers": [container]}}


def command_of(train: str | os.PathLike[str] | Command) -> list[str]:
    """How a script is started, or a command as it is.

    Raises:
        TypeError: it is nothing of that.
    """
    if isinstance(train, str | os.PathLike):
        return ["python", os.fspath(train)]
    words: list[Any] = list(train) if isinstance(train, list | tuple) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise TypeError(
            f"train is {train!r}; should be a function, the path of a script, or a command: a list of texts"
        )
    return words


def name_of(train: Train) -> str:
    """What a population is called that nobody has given a name: after its function or script."""
    if callable(train):
        found = getattr(train, "__name__", type(train).__name__)
    elif isinstance(train, str | os.PathLike):
        found = Path(train).stem
    else:
        found = next((Path(word).stem for word in train if word.endswith(".py")), "population")
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in found.lower())
    return plain.strip("-")[:40].strip("-") or "population"


def _wire(value: Any) -> Any:
    """Plain data: models and enums in the words of the manifest."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(item) for item in value]
    return value


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel(str(key)): _camel(item) for key, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _in_python(path: FieldPath, names: Sequence[Any]) -> FieldPath:
    """Where a field of the manifest stands in a call."""
    if path[:1] == ("metadata",):
        return path[1:]
    inner = path[1:] if path[:1] == ("spec",) else path
    if inner[:1] and inner[0] in _PARTS and inner[1:]:
        inner = inner[1:]
    if (
        inner[:1] == ("hyperparameters",)
        and len(inner) > 1
        and isinstance(inner[1], int)
        and inner[1] < len(names)
    ):
        name = names[inner[1]]
        return (
            "hyperparameters",
            name["name"],
            *(part for part in inner[2:] if part not in name or part == "explore"),
        )
    if inner[:1] and inner[0] in NAMED:
        return inner
    return tuple(to_snake(part) if isinstance(part, str) else part for part in inner)
