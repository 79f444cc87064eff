"""The chart's README, from the comments of its values: `python -m release.chart_readme`, by `make generate`."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "pbt-operator"
HEAD = """\
# The chart pbt-operator

Population Based Training on Kubernetes: the operator, its custom resource, its rights, and what watches it. One value
is needed, a store. [On a cluster](../../docs/install.md) explains a whole installation,
[On a GPU cluster](../../docs/gpu-cluster.md) what the trainers need beside it.

```console
$ helm install pbt-operator charts/pbt-operator -n pbt-system --create-namespace -f values.yaml
$ helm test pbt-operator -n pbt-system
```

## Values

`helm` refuses values that aren't here ([values.schema.json](values.schema.json)). This table is generated from
[values.yaml](values.yaml) by `make generate`.

| value | default | what it is |
| --- | --- | --- |
"""


class Undocumented(Exception):
    """A value without a comment, or with one at the wrong place."""


@dataclass
class Value:
    """One row.

    Attributes:
        path: such as `image.tag`, or `stores[].name` for a field of each item.
        default: as YAML in one line; empty for the field of an item.
        words: what it is, one paragraph.
    """

    path: str
    default: str
    words: list[str] = field(default_factory=list)


def page(values: str) -> str:
    """The README for the text of a values.yaml.

    Raises:
        Undocumented: a value has no `# --`; the message names its line.
    """
    rows = [
        f"| `{v.path}` | {f'`{v.default}`' if v.default else ''} | {_cell(v.words)} |"
        for v in rows_of(values)
    ]
    return HEAD + "\n".join(rows) + "\n"


def rows_of(text: str) -> Iterator[Value]:
    """The rows of a values.yaml, in its order.

    Raises:
        Undocumented: see `page`.
    """
    tree, comment, group = yaml.safe_load(text), [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            said = line.lstrip()
            comment = [said] if said.startswith("# --") else [*comment, said]
            continue
        found = re.match(r"^( {2})?([A-Za-z]\w*):( .*)?$", line)
        if not found:
            comment = []  # a blank line, or the inside of a default
            continue
        inner, key, given = found.groups()
        path = f"{group}.{key}" if inner else key
        described = bool(comment) and comment[0].startswith("# --")
        if not inner:
            group = key
        if described:
            yield from _described(path, _at(tree, path), comment)
        elif not inner and given is None:
            pass  # a heading: what lies below it is described
        elif not (inner and _is_inside(text, number)):
            raise Undocumented(f"values.yaml, line {number}: {path} has no comment that begins with '# --'")
        comment = []


def _is_inside(text: str, number: int) -> bool:
    """Whether a line belongs to a default that was described as a whole, such as `resources`."""
    lines = text.splitlines()
    above = next(i for i in range(number - 1, -1, -1) if lines[i][:1].isalpha())
    return above > 0 and lines[above - 1].startswith("#")


def _described(path: str, default: Any, comment: list[str]) -> Iterator[Value]:
    value, fields = Value(path, _one_line(default)), []
    for line in comment:
        words = line.removeprefix("#").removeprefix(" --").rstrip()
        item = re.match(r"^   (\w+) {2,}(\S.*)$", words)
        if item:
            fields.append(Value(f"{path}[].{item[1]}", "", [item[2]]))
        elif fields and words.startswith(" " * 10):
            fields[-1].words.append(words.strip())
        else:
            value.words.append(words.strip())
    yield value
    yield from fields


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]
    return tree


def _one_line(default: Any) -> str:
    text = yaml.safe_dump(default, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n...\n").strip() if default != "" else '""'


def _cell(words: list[str]) -> str:
    return " ".join(words).strip().replace("|", "\\|")


if __name__ == "__main__":
    try:
        sys.stdout.write(page((CHART / "values.yaml").read_text()))
    except Undocumented as error:
        sys.exit(str(error))
