"""What a script is checked with, what became of its processes, and the lines that tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from pbt_contract.check import Order
from pbt_contract.errors import ExitCode
from pbt_contract.records import Value
from pbt_contract.scores import Score
from pbt_operator.cli.script_crashes import error_in, remedy_of, words_of
from pbt_operator.control.decide import show
from pbt_operator.core.blame import SIGKILL
from pbt_operator.core.wording import all_of
from pbt_operator.runners.local.trials import Ended

LISTED = 6


class Level(StrEnum):
    """How a line is meant."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to one question.

    Attributes:
        check: what was asked, in a word.
        told: the answer.
        remedy: what to do; empty where there is nothing, or `told` says it.
        output: the end of what the process printed, where it crashed.
    """

    level: Level
    check: str
    told: str
    remedy: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a script is checked with.

    Attributes:
        order: what its processes are asked.
        hyperparameters: that are given; the script's defaults stand for others.
        kept: hyperparameters that a newborn always has as its donor.
        metric: of the objective; None without a manifest.
        recreates: whether the manifest starts a process for each birth.
    """

    order: Order
    hyperparameters: dict[str, Value]
    kept: frozenset[str] = frozenset()
    metric: str | None = None
    recreates: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a script's processes.

    Attributes:
        first: the one that trains to its first report.
        second: the one that is born of its checkpoint, with other hyperparameters; None where there was none.
        alone: where that one didn't come to its first step: one process for each hyperparameter that may be why, which
            changes nothing but that.
        changed: what the newborn has otherwise than its donor.
    """

    asked: Asked
    first: Ended
    second: Ended | None = None
    alone: Mapping[str, Ended] = field(default_factory=dict)
    changed: Mapping[str, Value] = field(default_factory=dict)


def is_wrong(lines: Sequence[Line]) -> bool:
    """Whether a population of the script would fail, or learn nothing."""
    return any(line.level is Level.ERROR for line in lines)


def late(ended: Ended, check: str, told: str) -> Line:
    """Of a process that was ended."""
    return Line(
        Level.ERROR, check, told, "a smaller --steps, or a larger --timeout; or it hangs", ended.output
    )


def crash(ended: Ended, check: str) -> Line:
    """Of a process that ended with an error."""
    if ended.exit_code == SIGKILL:
        return Line(
            Level.ERROR, check, "the process was killed, perhaps for want of memory", "", ended.output
        )
    code = "" if ended.exit_code in {None, 1, ExitCode.MISTAKE} else f" (exit code {ended.exit_code})"
    words = words_of(ended)
    return Line(Level.ERROR, check, f"{error_in(words)}{code}", remedy_of(words), words)


def score(value: Score | list[Score]) -> str:
    """A metric's value."""
    if isinstance(value, list):
        return f"[{len(value)} values]" if value else "[]"
    return show(value)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, or `a, b, c, d, e, f and 3 more`."""
    shown, more = names[:LISTED], len(names) - LISTED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return all_of(shown) if shown else ""
