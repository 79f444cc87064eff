"""Reads a manifest from a file, or checks one that was read already; what is wrong comes as one message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from pbt_operator.core.wire import Path
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.explain import problems_in
from pbt_operator.manifest.population import Population
from pbt_operator.manifest.reader import MAX_DEPTH, TOO_DEEP, Document, Refused, read
from pbt_operator.manifest.schema import manifest_schema, wanted

MAX_BYTES = 1024 * 1024  # no API server takes more
SHOWN_DEPTH = 8


def load(path: str | FilePath) -> Population:
    """The Population in a YAML file, which may hold documents of other kinds too.

    Raises:
        ManifestError: the file can't be read, has not exactly one Population, or that is wrong somewhere.
    """
    source = str(path)
    try:
        return _read(_data(FilePath(path)), source)
    except Refused as refused:
        raise ManifestError(source, [refused.problem]) from refused


def load_text(text: str, *, source: str) -> Population:
    """The Population in the text of a YAML file.

    Args:
        text: of the whole file.
        source: what the message calls it.

    Raises:
        ManifestError: as `load`.
    """
    try:
        return _read(text.encode(), source)
    except UnicodeEncodeError:
        raise ManifestError(
            source, [Problem((), "is not Unicode: it has half of a surrogate pair")]
        ) from None
    except Refused as refused:
        raise ManifestError(source, [refused.problem]) from refused


def parse(tree: Any, *, source: str) -> Population:
    """The Population in a mapping, such as the API server gives it.

    Args:
        tree: of JSON's types.
        source: what the message calls it.

    Raises:
        ManifestError: it is wrong somewhere.
    """
    deep = _deepest(tree)
    if deep is not None:
        raise ManifestError(source, [Problem(deep, TOO_DEEP)])
    return _validated(Document(tree), source)


def _deepest(tree: Any) -> Path | None:
    """The beginning of the way to what is nested too deeply, for code that goes there by recursion."""
    level: list[tuple[Path, Any]] = [((), tree)]
    for _ in range(MAX_DEPTH + 1):
        level = [((*path, key), inner) for path, value in level for key, inner in _parts(value)]
    return level[0][0][:SHOWN_DEPTH] if level else None


def _parts(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _read(data: bytes, source: str) -> Population:
    return _validated(_only_population(read(_text(data))), source)


def _data(path: FilePath) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused(f"can't be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise Refused("can't be read: no such file") from error


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise Refused(f"is larger than {MAX_BYTES} bytes; this can't be a manifest")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused("is not UTF-8 text", line) from error


def _only_population(documents: Sequence[Document]) -> Document:
    if not documents:
        raise Refused("is empty; should hold a Population")
    found = [d for d in documents if isinstance(d.tree, dict) and d.tree.get("kind") == "Population"]
    if len(found) > 1:
        lines = " and ".join(str(document.line) for document in found[:5])
        raise Refused(f"holds {len(found)} Populations, in lines {lines}; should hold one")
    if found:
        return found[0]
    if len(documents) > 1:
        raise Refused(f"holds {len(documents)} documents, but no Population; should hold one")
    return documents[0]


def _validated(document: Document, source: str) -> Population:
    if not isinstance(document.tree, Mapping):
        told = f"is {shown(document.tree)}; should be a mapping with apiVersion, kind, ..."
        raise ManifestError(source, document.problems or [Problem((), told)])
    population, refused = None, []
    try:
        population = Population.model_validate(document.tree)
    except ValidationError as error:
        refused = list(problems_in(error, manifest_schema(), words=wanted))
    problems: dict[Path, Problem] = {}
    for problem in [*document.problems, *refused]:
        line = problem.line or (document.line_of(problem.path) if document.lines else None)
        problems.setdefault(problem.path, replace(problem, line=line))
    if population is None or problems:
        raise ManifestError(source, sorted(problems.values(), key=lambda problem: problem.line or 0))
    return population
