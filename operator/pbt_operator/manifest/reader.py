"""Reads YAML the way kubectl does, with the line of every field.

kubectl (sigs.k8s.io/yaml, on go-yaml v2) makes JSON of YAML by rules between YAML 1.1 and 1.2: `1e-4` is a
number; `yes`, `on` and `y` are true; dates are texts; `0x10` and `010` are sixteen and eight; field names are
texts; there is no infinity. Where a field is given twice kubectl takes one of them; here that is an error.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pbt_operator.core.wire import Path, as_json_number
from pbt_operator.core.wording import shorten
from pbt_operator.manifest.errors import Problem

MAX_DEPTH = 64
MAX_VALUES = 200_000
TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"

_TRUE = {form for word in ("y", "yes", "true", "on") for form in (word, word.capitalize(), word.upper())}
_FALSE = {form for word in ("n", "no", "false", "off") for form in (word, word.capitalize(), word.upper())}
_NULL = {"", "~", "null", "Null", "NULL"}
_NOT_FINITE = {sign + form for sign in ("", "+", "-") for form in (".inf", ".Inf", ".INF")} | {
    ".nan",
    ".NaN",
    ".NAN",
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"x": 16, "b": 2, "o": 8, "d": 10}
_INTEGER_DIGITS = 70  # more than 64 bits have in any base; int() is slow for very long ones

_PLAIN = "plain scalar"  # no tag that a document could write
_TEXT = "tag:yaml.org,2002:str"
_CONTAINERS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


class Refused(Exception):
    """A document that can't be read at all."""

    def __init__(self, text: str, line: int | None = None) -> None:
        self.problem = Problem((), text, line)
        super().__init__(text)


class _Loader(yaml.SafeLoader):
    """Leaves plain scalars unresolved."""

    yaml_implicit_resolvers = {None: [(_PLAIN, re.compile(""))]}


@dataclass
class Document:
    """One YAML document as JSON.

    Attributes:
        tree: mappings with text keys, lists and scalars.
        line: of the document, from 1.
        lines: where each field and list item stands.
        problems: what JSON can't hold.
    """

    tree: Any = None
    line: int = 1
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of a field, or of what would contain it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.line)


def read(text: str) -> list[Document]:
    """Reads all documents of a stream; empty ones are left out.

    Raises:
        Refused: it is not YAML, or expands to more than anyone writes.
    """
    try:
        builder = _Builder()
        documents = [builder.document(node) for node in yaml.compose_all(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise Refused(f"is not YAML: {told}", mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        told = f"has a character that YAML doesn't allow, U+{error.character:04X}"
        raise Refused(told, text.count("\n", 0, error.position) + 1) from error
    except RecursionError as error:
        raise Refused(TOO_DEEP) from error
    return [document for document in documents if document.tree is not None or document.problems]


class _Builder:
    """Makes JSON of node graphs; counts all values, since an alias repeats what it stands for."""

    def __init__(self) -> None:
        self._document = Document()
        self._count = 0

    def document(self, node: yaml.Node) -> Document:
        self._document = Document(line=node.start_mark.line + 1)
        self._document.tree = self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._enter(node, path)
        self._document.lines.setdefault(path, line)
        if node.tag not in {_PLAIN, _TEXT, *_CONTAINERS}:
            self._refuse(path, f"has the tag {shorten(node.tag)}; should have none", line)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _enter(self, node: yaml.Node, path: Path) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise Refused(f"has more than {MAX_VALUES} values, aliases expanded", node.start_mark.line + 1)
        if len(path) > MAX_DEPTH:
            raise Refused(TOO_DEEP, node.start_mark.line + 1)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merges = [value for key, value in node.value if _merges(key)]
        tree = {name: value for source in merges for name, value in self._merged(source, path).items()}
        own: set[str] = set()
        for key, value in node.value:
            name = None if _merges(key) else self._key(key, path)
            if name is None:
                continue
            if name in own:
                first = self._document.lines[*path, name]
                self._refuse((*path, name), f"is given twice, first in line {first}", key.start_mark.line + 1)
                continue
            own.add(name)
            self._document.lines[*path, name] = key.start_mark.line + 1
            tree[name] = self._value(value, (*path, name))
        return tree

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """What `<<` brings in from a mapping, or from several, of which the first wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        tree: dict[str, Any] = {}
        for source in sources:
            self._enter(source, path)
            if isinstance(source, yaml.MappingNode):
                tree = {**self._mapping(source, path), **tree}
            else:
                self._refuse(path, "merges what is not a mapping", node.start_mark.line + 1)
        return tree

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        key = self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else None
        if key is None:
            self._refuse(path, "has a field without a name; names should be texts", node.start_mark.line + 1)
            return None
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        value = scalar(node.value) if node.tag == _PLAIN else node.value
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(path, f"is {node.value}; should be a finite number", node.start_mark.line + 1)
            return None
        if isinstance(value, str) and not _is_unicode(value):
            self._refuse(
                path, "is not Unicode: it has one half of a surrogate pair", node.start_mark.line + 1
            )
            return None
        return value

    def _refuse(self, path: Path, text: str, line: int) -> None:
        self._document.problems.append(Problem(path, text, line))


def scalar(plain: str) -> bool | int | float | str | None:
    """What an unquoted scalar stands for; infinite and NaN where that is written out."""
    if plain in _NULL:
        return None
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    if plain in _NOT_FINITE:
        return math.nan
    return _number(plain.replace("_", "")) if plain[0] in "+-.0123456789" else plain


def _number(plain: str) -> int | float | str:
    found = _INTEGER.fullmatch(plain) if len(plain) <= _INTEGER_DIGITS else None
    if found is not None:
        digits = next(group for group in _BASES if found[group] is not None)
        value = int(found["sign"] + found[digits], _BASES[digits])
        if -(2**63) <= value < 2**64:
            return value
    number = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return as_json_number(number) if math.isfinite(number) else plain


def _merges(key: yaml.Node) -> bool:
    return key.tag == _PLAIN and key.value == "<<"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
