"""`python -m bench`: measure, compare a result with the ranges or an older one, or print its table."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import frame, ranges, table
from bench.figures import Results

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Does what the command line says; exit code 1 if a figure or a scenario is wrong."""
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks: ours and the peers side by side.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure")
    run.add_argument("--scenarios", default="", help="comma-separated; all by default")
    run.add_argument("--rounds", type=int, default=3, help="of ours and of the peer in turns")
    run.add_argument("--quick", action="store_true", help="the headline only, in a few minutes; never judged")
    run.add_argument("--to", type=Path, help="the result's file; bench-results/<utc>.json by default")
    run.add_argument(
        "--add-to", type=Path, help="an earlier result of this machine that this one becomes a part of"
    )
    check = commands.add_parser("check", help="compare a result with the ranges, and with an older result")
    check.add_argument("file", type=Path)
    check.add_argument("--against", type=Path, help="an older result")
    shown = commands.add_parser("table", help="print a result as the Markdown of docs/performance.md")
    shown.add_argument("file", type=Path)
    shown.add_argument("--into", type=Path, help="the page to put it into, between its markers")
    given = parser.parse_args()
    try:
        match given.command:
            case "run":
                wrong = _run(given)
            case "check":
                wrong = _check(given.file, given.against)
            case _:
                wrong = []
                _table(given.file, given.into)
    except (ValueError, OSError) as error:
        sys.exit(f"bench: {error}")
    for line in wrong:
        print(f"violation: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


def _run(given: argparse.Namespace) -> list[str]:
    if given.quick:
        os.environ["BENCH_QUICK"] = "1"
    names = [name for name in given.scenarios.replace(" ", ",").split(",") if name] or frame.existing()
    scenarios = frame.find(names)
    rounds = 1 if given.quick else given.rounds
    if rounds < 1:
        raise ValueError("--rounds is at least 1")
    path = given.add_to or given.to or ROOT / "bench-results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    results = frame.run(
        scenarios,
        rounds=rounds,
        say=lambda words: print(words, flush=True),
        keep=lambda so_far: so_far.write(path),
        earlier=Results.read(given.add_to) if given.add_to else None,
    )
    table.show(results, ranges.load(), Console(width=None if sys.stdout.isatty() else 200))
    print(f"written to {path}")
    return list(ranges.violations(results, ranges.load()))


def _check(file: Path, against: Path | None) -> list[str]:
    results = Results.read(file)
    known = ranges.load()
    for name, wanted in known.items():
        figure = results.figures.get(name)
        verdict = "not measured" if figure is None else str(ranges.judge(figure, wanted, results))
        print(f"{name}: {verdict}")
    wrong = list(ranges.violations(results, known))
    if against is not None:
        wrong += ranges.regressions(results, Results.read(against))
    return wrong


def _table(file: Path, into: Path | None) -> None:
    told = table.markdown(Results.read(file), ranges.load())
    if into is None:
        print(told, end="")
    else:
        into.write_text(table.inserted(into.read_text(), told))


if __name__ == "__main__":
    main()
