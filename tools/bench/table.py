"""The figures for people: in the terminal, and as the Markdown of docs/performance.md."""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Results
from bench.ranges import Grade, Range, judge

BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"


def show(results: Results, ranges: Mapping[str, Range], console: Console) -> None:
    """All that was measured: first what has a range, then the rest."""
    console.print(_heading(results))
    table = Table("figure", "limit", "aim", "median", "95 % interval", "values", "verdict", title="judged")
    for name, wanted in ranges.items():
        figure = results.figures.get(name)
        if figure is not None:
            verdict = str(judge(figure, wanted, results))
            table.add_row(name, *_wanted(wanted), *_measured(figure), str(len(figure.values)), verdict)
    console.print(table)
    table = Table("figure", "median", "95 % interval", "min", "max", "values", title="all others")
    for name, figure in sorted(results.figures.items()):
        if name not in ranges:
            extremes = (_number(min(figure.values)), _number(max(figure.values)))
            table.add_row(name, *_measured(figure), *extremes, str(len(figure.values)))
    console.print(table)
    for line in _conditions(results):
        console.print(line, highlight=False, markup=False)


def markdown(results: Results, ranges: Mapping[str, Range]) -> str:
    """What stands between the two markers of docs/performance.md; the exact counts in one line."""
    lines = [
        _heading(results),
        "",
        *header("figure", "at least", "aim", "measured", "95 % interval", "verdict"),
    ]
    exact = [name for name, wanted in ranges.items() if wanted.exact is not None and name in results.figures]
    for name, wanted in ranges.items():
        if wanted.exact is None:
            figure = results.figures.get(name)
            measured = ("not measured", "", "")
            if figure is not None:
                measured = (*_measured(figure), str(judge(figure, wanted, results)))
            lines.append(row(wanted.what, *_wanted(wanted), *measured))
    right = [
        name for name in exact if judge(results.figures[name], ranges[name], results).grade is Grade.EXACT
    ]
    lines += ["", f"Exact counts: {len(right)} of {len(exact)} that were taken are as they must be.", ""]
    lines += ["<details><summary>All other figures</summary>", ""]
    lines += header("figure", "median", "95 % interval", "values")
    for name, figure in sorted(results.figures.items()):
        if name not in ranges:
            lines.append(row(f"`{name}`", *_measured(figure), str(len(figure.values))))
    lines += ["", "</details>", "", *(f"- {line}" for line in _conditions(results))]
    return "\n".join(lines) + "\n"


def inserted(page: str, told: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with `told` between its markers.

    Raises:
        ValueError: it lacks them.
    """
    before, begins, rest = page.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the page has no {begin.strip()} and {end.strip()}")
    return before + begin + told + end + after


def header(*columns: str) -> list[str]:
    return [row(*columns), row(*("---" for _ in columns))]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(results: Results) -> str:
    machine = results.machine
    kind = "a quick run, " if results.quick else ""
    return (
        f"{kind}{results.began}, commit {machine['commit']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memoryGiB']} GiB, Linux {machine['kernel']}, Python {machine['python']}, "
        f"torch {machine['torch']}, numpy {machine['numpy']}, Ray {machine['ray']}; {results.rounds} rounds"
    )


def _conditions(results: Results) -> Iterator[str]:
    for name, spell in results.scenarios.items():
        others = "" if spell.others is None else f", others kept {spell.others:.2f} cores busy"
        failed = f"; FAILED: {spell.failed}" if spell.failed else ""
        yield (
            f"{name}: {spell.seconds:.0f} s, load {spell.load_before:.1f} before and {spell.load_after:.1f} after"
            f"{others}{failed}"
        )
        yield from (f"{name}: {remark}" for remark in spell.remarks)


def _wanted(wanted: Range) -> tuple[str, str]:
    if wanted.exact is not None:
        return f"= {wanted.exact:g}", f"= {wanted.exact:g}"
    sign = "≥" if wanted.more_is_better else "≤"
    assert wanted.limit is not None
    return f"{sign} {wanted.limit:g}", "" if wanted.aim is None else f"{sign} {wanted.aim:g}"


def _measured(figure: Figure) -> tuple[str, str]:
    low, high = figure.interval
    unit = "" if figure.unit in {"ratio", "count"} else f" {figure.unit}"
    return f"{_number(figure.median)}{unit}", f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) >= 1 else f"{value:.3g}"
