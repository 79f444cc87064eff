"""How `pbt check` shows what it found: a list, and what a change of each hyperparameter does."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbt_contract.check import Swap
from pbt_contract.text import escaped
from pbt_operator.cli.check_lines import Checked, Level, Line, is_wrong
from pbt_operator.cli.output import say, say_json
from pbt_operator.cli.script_crashes import is_ours
from pbt_operator.page.words import counted

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red"}
_READERS = {"build": "a build function reads it", "loop": "the loop reads it"}
_OUTPUT_LINES = 12
_BEFORE = ", before the loop"
_HINT = "What is read before the loop can't follow; optimizers and schedules can, by run.build(...)."
_RECREATES = "With restart: Recreate, as the manifest has it, each birth starts a process all the same."


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """On a terminal, shows what is under way as long as it is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield status.update


def show(checked: Checked, lines: Sequence[Line], *, name: str, as_json: bool) -> None:
    """Prints it.

    Args:
        checked: what became of the processes.
        lines: the answers.
        name: of the script.
        as_json: as one object, for programs.
    """
    found = checked.first.findings
    swaps = found.swaps if found else []
    if as_json:
        say_json(_as_json(checked, lines, swaps))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    _print(console, _list(lines))
    if swaps:
        say()
        _print(console, _changes(swaps))
        if any(_BEFORE in (swap.why or "") for swap in swaps):
            _print(console, Text(_HINT))
        if checked.asked.recreates:
            _print(console, Text(_RECREATES))
    for line in lines:
        if line.level is Level.ERROR and line.output and _needs_more(line.output):
            _say_output(line.output)
            break
    say()
    say(f"{name}: {_summary(lines)}")


def _print(console: Console, shown: Table | Text) -> None:
    """Folded to the width, without the blanks that fill a last column."""
    with console.capture() as captured:
        console.print(shown)
    print("\n".join(line.rstrip() for line in captured.get().rstrip("\n").splitlines()))


def _list(lines: Sequence[Line]) -> Table:
    table = _grid()
    for line in lines:
        style = _STYLES[line.level]
        told = Text(escaped(line.told))
        if line.remedy:
            told.append(f"\n-> {escaped(line.remedy)}", style="" if line.level is Level.OK else "bold")
        table.add_row(Text(line.level.value, style=style), Text(line.check), told)
    return table


def _changes(swaps: Sequence[Swap]) -> Table:
    table = _grid()
    for swap in swaps:
        if swap.why is not None:
            what, why = "starts anew", swap.why
        elif not swap.readers:
            what, why = "changes nothing", "nobody reads it"
        else:
            what, why = "swaps in place", " and ".join(_READERS[reader] for reader in swap.readers)
        table.add_row(Text(escaped(swap.name), style="bold"), Text(what), Text(escaped(why)))
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _needs_more(output: str) -> bool:
    """Whether the line of a crash doesn't say all of it."""
    return not is_ours(output) and "\n" in output.strip()


def _say_output(output: str) -> None:
    say()
    say("the process ended with:")
    for line in [line for line in output.splitlines() if line.strip(" ~^")][-_OUTPUT_LINES:]:
        say(f"  {line.rstrip()}")


def _summary(lines: Sequence[Line]) -> str:
    counts = {level: sum(line.level is level for line in lines) for level in Level}
    told = [] if is_wrong(lines) else ["ready to train"]
    for level in (Level.ERROR, Level.WARNING):
        told += [counted(counts[level], level.value)] if counts[level] else []
    return ", ".join(told)


def _as_json(checked: Checked, lines: Sequence[Line], swaps: Sequence[Swap]) -> dict[str, Any]:
    report, found = checked.first.report, checked.first.findings
    files = report.files if report else []
    return {
        "ok": not is_wrong(lines),
        "checks": [msgspec.to_builtins(line) for line in lines],
        "hyperparameters": [
            {
                "name": swap.name,
                "value": swap.value,
                "tried": swap.tried,
                "inPlace": swap.why is None,
                "why": swap.why,
                "readBy": swap.readers,
            }
            for swap in swaps
        ],
        "checkpoint": {
            "bytes": sum(file.size for file in files),
            "files": [{"name": file.name, "size": file.size} for file in files],
        },
        "stepSeconds": found.step_seconds if found else None,
        "reportSeconds": found.report_seconds if found else None,
    }
