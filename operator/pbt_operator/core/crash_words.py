"""What the end of a life is called: whose fault it was, in words that births, Events and people share."""

import re

from pbt_contract.errors import ExitCode, StateError, UsageError
from pbt_contract.text import abridged, escaped
from pbt_operator.core.end_record import End

MAX_LINE, MAX_LAST_LINE = 200, 500  # the last one is the error itself, with its remedy
BLAMELESS = frozenset({ExitCode.UNCLAIMED, ExitCode.STORAGE, ExitCode.ACCESS})
LAST_LINES = 3  # of a Python traceback: where, the line itself, and the error
SEPARATOR = " | "
MISTAKES = tuple(f"{kind.__module__}.{kind.__qualname__}: " for kind in (UsageError, StateError))
CANNOT_START = frozenset({126, 127})  # as shells have it: the program isn't one, or isn't there
UNABLE = re.compile(r"can't open file '|^(ModuleNotFoundError|SyntaxError|IndentationError|TabError): ")
MARKS = "^~"  # by which a traceback points at a part of the line above
ANNOUNCEMENT = re.compile(
    r"\bmember \d+, incarnation \d+, from step \d+: "
)  # in whatever format a script logs


def fault_of(end: End, *, has_record: bool) -> str | None:
    """Why the end of a life was the trainer's fault; None if it wasn't.

    Args:
        end: before its member was finished.
        has_record: whether that life has recorded anything.
    """
    last = end.message or "no output"
    if end.hung:
        return f"made no record within progressDeadlineSeconds{f': {last}' if end.message else ''}"
    if end.stopped or end.disrupted or end.exit_code in BLAMELESS:
        return None
    if is_mistake(end):
        return f"said that the script or the manifest is mistaken: {last}"
    if end.unstarted is True:
        return f"could not start: {last}"
    if end.exit_code == 0:
        return None if has_record else f"ended by itself before the last step, without a record: {last}"
    code = "without an exit code" if end.exit_code is None else f"with exit code {end.exit_code}"
    return f"ended {code}: {last}"


def is_mistake(end: End) -> bool:
    """Whether the trainer said of its own end that the script and the manifest don't fit.

    Whoever starts it may end with a code of its own, as torchrun does: then the error is known by its name.
    """
    told = any(line.startswith(MISTAKES) for line in end.message.split(SEPARATOR))
    return end.is_its_own and (end.exit_code == ExitCode.MISTAKE or (end.exit_code == 1 and told))


def is_unable(end: End) -> bool:
    """Whether a trainer could not begin, whatever its hyperparameters: a program, script or module is missing, say."""
    if not end.is_its_own:
        return False
    return end.exit_code in CANNOT_START or (end.exit_code in {1, 2} and bool(UNABLE.search(last_line(end))))


def last_words(output: str) -> str:
    """The last lines of a trainer's output, but for the one by which the SDK announces itself; empty without any."""
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line.strip(MARKS) and not ANNOUNCEMENT.search(line)]
    *before, last = told[-LAST_LINES:] or [""]
    shown = [*(abridged(line, MAX_LINE) for line in before), abridged(last, MAX_LAST_LINE)]
    return SEPARATOR.join(map(escaped, shown))


def last_line(end: End) -> str:
    """The last of its last words: of a traceback the error itself."""
    return end.message.rsplit(SEPARATOR, 1)[-1]
