"""What a crashed script has said: the error, where in the script it happened, and what cures it."""

import re
import sys
from collections.abc import Callable, Sequence

from pbt_contract.text import quoted
from pbt_operator.runners.local.trials import Ended

_LONGEST = 500
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_FOREIGN = re.compile(r"/(site-packages|dist-packages|pbt_trainer|pbt_contract|lib/python[\d.]+)/|^<")
_OURS = re.compile(r"^(?:[\w.]+\.)?(?:UsageError|StateError): (.*)\Z", re.MULTILINE | re.DOTALL)
_REMEDIES: Sequence[tuple[re.Pattern[str], Callable[["re.Match[str]"], str]]] = (
    (
        re.compile(r"No module named '([\w.]+)'"),
        lambda m: f"install it where pbt runs: {sys.executable} -m pip install {m[1].partition('.')[0]}",
    ),
    (
        re.compile(r"can't open file '[^']*'"),
        lambda _: "paths are relative to the folder that pbt is started in, or to the template's workingDir",
    ),
    (
        re.compile(r"No such file or directory: '([^']*)'"),
        lambda m: f"{m[1]} is no program of this machine; the first word of a command is one, such as python",
    ),
    (
        re.compile(r"was due and passed without run\.report"),
        lambda _: "report wherever run.due is true, instead of by a count of the script's own",
    ),
    (
        re.compile(r"lacks the objective's metric '([^']*)'; it has (.*)"),
        lambda m: f"report it under that name, or let spec.objective.metric be one of: {m[2]}",
    ),
)
"""What cures what an exception says, where its message doesn't say so itself."""


def words_of(ended: Ended) -> str:
    """The traceback of an uncaught exception, or else the end of all that was printed."""
    return ended.traceback or ended.output


def error_in(words: str) -> str:
    """The error itself with its place in the script; without the class where it is one of ours."""
    lines = [line.strip() for line in words.splitlines() if line.strip(" ~^")]
    if not lines:
        return "the process ended without a word"
    ours = _OURS.search(words)
    told = " ".join(ours[1].split()) if ours else lines[-1]
    return f"{quoted(told, size=_LONGEST)}{_place(words)}"


def is_ours(words: str) -> bool:
    """Whether the SDK has raised the error: its message says all, and needs no traceback."""
    return _OURS.search(words) is not None


def remedy_of(words: str) -> str:
    """What cures it; empty where the message says so itself, or nobody knows."""
    return next((remedy(found) for pattern, remedy in _REMEDIES if (found := pattern.search(words))), "")


def _place(words: str) -> str:
    """The innermost line of the script's own."""
    places = [(file, line) for file, line in _FRAME.findall(words) if not _FOREIGN.search(file)]
    return f" ({places[-1][0].rpartition('/')[2]}:{places[-1][1]})" if places else ""
