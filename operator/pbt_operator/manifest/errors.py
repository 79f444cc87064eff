"""What is wrong with a manifest: every wrong field with its path, its line and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass

from pbt_contract.errors import PbtError
from pbt_operator.core.wire import Path
from pbt_operator.core.wording import shorten

MAX_PROBLEMS = 50


def dotted(path: Path) -> str:
    """`spec.hyperparameters[1].logUniform.min`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" for part in path)
    return text.removeprefix(".")


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
