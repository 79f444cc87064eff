"""The figures for people: in the terminal, and as the Markdown of docs/performance.md."""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Results
from bench.ranges import Range, judge


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
    """What stands between the two markers of docs/performance.md."""
    lines = [
        _heading(results),
        "",
        "| figure | at least | aim | measured | 95 % interval | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, wanted in ranges.items():
        figure = results.figures.get(name)
        measured = (
            ("not measured", "", "")
            if figure is None
            else (*_measured(figure), str(judge(figure, wanted, results)))
        )
        cells = (wanted.what, *_wanted(wanted), *measured)
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Beside them, without a limit:",
        "",
        "| figure | median | 95 % interval | values |",
        "| --- | --- | --- | --- |",
    ]
    for name, figure in sorted(results.figures.items()):
        if name not in ranges:
            lines.append(f"| `{name}` | {' | '.join(_measured(figure))} | {len(figure.values)} |")
    lines += ["", *(f"- {line}" for line in _conditions(results))]
    return "\n".join(lines) + "\n"


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
