"""What is wrong with a manifest: every wrong field with its path, its line and what would be right."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pbt_contract.errors import PbtError

MAX_SHOWN = 60
MAX_PROBLEMS = 50

Path = tuple[str | int, ...]
"""Where something stands: field names and list positions, from the root."""


def shorten(text: str) -> str:
    """The text with control characters escaped and its middle left out where it is long."""
    head = text[: 4 * MAX_SHOWN]  # so that a huge one isn't escaped in full
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in head)
    return plain if len(plain) <= MAX_SHOWN and head == text else f"{plain[: MAX_SHOWN - 3]}..."


def shown(value: Any) -> str:
    """A value as a message names it."""
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge number"
    return "empty" if value is None else shorten(str(value).lower().removesuffix(".0"))


def dotted(path: Path) -> str:
    """`spec.hyperparameters[1].logUniform.min`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" for part in path)
    return text.removeprefix(".")


def any_of(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field.

    Attributes:
        path: empty where the document as a whole is wrong.
        text: what is wrong, and what would be right.
        line: in the file, from 1.
    """

    path: Path
    text: str
    line: int | None = None

    def __str__(self) -> str:
        """`spec.members (line 6): is 0; should be a whole number from 1 to 10000`."""
        line = f"line {self.line}" if self.line else ""
        place = f"{dotted(self.path)} ({line})" if self.path and line else dotted(self.path) or line
        return f"{place}: {self.text}" if place else self.text


class ManifestError(PbtError):
    """A manifest that can't be used; its text lists every wrong field.

    Attributes:
        source: the file, or another name of what was read.
        problems: at least one, in the order of the file.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        """The message for people."""
        name = shorten(self.source)
        if len(self.problems) == 1 and not self.problems[0].path:
            return f"{name}: {self.problems[0]}; nothing was started."
        wrong = "1 field is wrong" if len(self.problems) == 1 else f"{len(self.problems)} fields are wrong"
        lines = [f"  {problem}" for problem in self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > MAX_PROBLEMS:
            lines.append(f"  and {len(self.problems) - MAX_PROBLEMS} more")
        return "\n".join([f"{name}: {wrong}; nothing was started.", *lines])
