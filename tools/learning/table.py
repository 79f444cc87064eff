"""The report as Markdown: the verdicts, one table, and the cells in which each arm loses."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from bench.table import header, inserted, row
from learning.judging import Cell, Gain
from learning.report import Report, cell_text, figure_text


def into(page: str, told: str, name: str) -> str:
    """The page with the report between its markers.

    Args:
        page: that has the markers.
        told: the report.
        name: of the file by which it is judged, without its ending: the markers carry it.

    Raises:
        ValueError: it lacks them.
    """
    return inserted(page, told, f"<!-- {name} -->\n", f"<!-- /{name} -->\n")


def markdown(report: Report, about: Mapping[str, str], picture: str | None = None) -> str:
    """The report.

    Args:
        report: what is told.
        about: each arm in words.
        picture: where it lies, seen from the page.
    """
    lines = [
        _whence(report),
        "",
        *_verdicts(report),
        *(_table(report) if report.figures else _cells(report)),
        "",
        *_left_out(report),
        *_losing(report),
        "",
    ]
    if picture is not None:
        lines += [f"![The gain of each arm over random search]({picture})", ""]
    lines += [f"- `{arm}`: {words}" for arm, words in about.items() if report.gains.get(arm)]
    return "\n".join(lines) + "\n"


def _whence(report: Report) -> str:
    head, seeds = report.head, [known.seeds for cells in report.gains.values() for known in cells.values()]
    machine = f"{head.get('cpu', 'an unknown machine')}, {head.get('cores', '?')} cores"
    pairs = f"{min(seeds)} to {max(seeds)} seeds in each cell" if seeds else "nothing was measured"
    return f"{head.get('at', '?')}, commit {head.get('commit', '?')}: {machine}, Ray {head.get('ray', '?')}; {pairs}"


def _verdicts(report: Report) -> Iterator[str]:
    yield from header("registered", "holds", "measured")
    for claim, holds, measured in report.verdicts:
        yield row(claim, {True: "yes", False: "**no**", None: "-"}[holds], measured)
    yield ""


def _table(report: Report) -> Iterator[str]:
    tasks = list(dict.fromkeys(cell.task for cell in report.samples))
    yield from header("arm", "figure (95 %)", *tasks, "cells it loses")
    order = sorted(report.gains, key=lambda arm: -report.figures[arm].mean if arm in report.figures else 9.0)
    for arm in order:
        found = report.figures.get(arm)
        by_cell = report.gains[arm]
        if by_cell:
            lost = f"{len(report.losing[arm])} of {len(by_cell)}"
            shown = figure_text(found) if found else "-"
            yield row(f"`{arm}`", shown, *(_mean(by_cell, task) for task in tasks), lost)


def _cells(report: Report) -> Iterator[str]:
    """Each cell by itself, where there is no figure over all of them."""
    yield from header("arm", "cell", "gain (95 %)", "chance of such pairs were it inferior")
    for arm, by_cell in report.gains.items():
        for cell, known in by_cell.items():
            shown = f"{known.mean:+.3f} ({known.low:+.3f} to {known.high:+.3f})"
            yield row(f"`{arm}`", cell_text(cell), shown, f"{known.p_inferior:.2g}")


def _mean(by_cell: Mapping[Cell, Gain], task: str) -> str:
    """The mean gain over a task's cells."""
    gains = [known.mean for cell, known in by_cell.items() if cell.task == task]
    return f"{np.mean(gains):+.2f}" if gains else "-"


def _left_out(report: Report) -> Iterator[str]:
    if report.left_out:
        told = _grouped(report.left_out)
        yield f"Saturated, so not compared: {told}."
        yield ""


def _losing(report: Report) -> Iterator[str]:
    yield "Where each arm is below random search, after Holm's adjustment over its cells:"
    yield ""
    for arm, cells in report.losing.items():
        if report.gains[arm]:
            yield f"- `{arm}`: {_grouped(cells) if cells else 'nowhere'}"


def _grouped(cells: Iterable[Cell]) -> str:
    """Cells by task and form, with the numbers of members in brackets."""
    groups: dict[tuple[str, str], list[int]] = {}
    for cell in cells:
        groups.setdefault((cell.task, cell.form), []).append(cell.members)
    return ", ".join(f"{task} {form} ({', '.join(map(str, ns))})" for (task, form), ns in groups.items())
