"""`python -m learning`: run the benchmark of learning, report a result, or calculate how many seeds are needed."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import machine
from learning import plan, registered, report
from learning.arms import ARMS
from learning.picture import svg
from learning.results import Results, samples
from learning.run import run
from learning.table import into, markdown

ROOT = Path(__file__).parents[2]
PEERS_ABOUT = {
    "ray-async": "Ray Tune's Population Based Training in its default mode",
    "ray-synchronous": "the same in its mode `synch`",
    "pb2": "Ray Tune's PB2, where there are 20 rounds at most",
    "asha": "Ray Tune's ASHA",
    "tpe": "Optuna's TPE with Hyperband",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Does what the command line says."""
    given = _parser().parse_args(arguments)
    try:
        {"run": _run, "report": _report, "power": _power}[given.command](given)
    except (ValueError, OSError) as error:
        sys.exit(f"learning: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="learning", description="The benchmark of learning.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="measure; what a file has already isn't run again")
    size = running.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="five minutes; never judged")
    size.add_argument("--full", action="store_true", help="a night: all that is registered, on its seeds")
    running.add_argument("--to", type=Path, help="the file; bench-results/learning-<utc>.jsonl by default")
    running.add_argument("--add-to", type=Path, help="an earlier file, which is continued")
    running.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    running.add_argument("--minutes", type=float, help="start no run after so long")
    for name, words in (("tasks", "names"), ("forms", "names"), ("arms", "names"), ("members", "numbers")):
        running.add_argument(f"--{name}", default="", help=f"only these, or others: {words} with commas")
    running.add_argument("--seeds", default="", help="FIRST:END, of other seeds")
    reporting = commands.add_parser(
        "report", help="judge a file by what is registered, and print it as Markdown"
    )
    reporting.add_argument("file", type=Path)
    reporting.add_argument(
        "--into", type=Path, help="the page to put it into; picture and data go to a folder beside"
    )
    power = commands.add_parser("power", help="how many seeds each cell needs, from a pilot")
    power.add_argument("file", type=Path)
    power.add_argument("--power", type=float, default=0.9)
    for command in (running, reporting, power):
        command.add_argument(
            "--registered", type=Path, default=registered.FILE, help="what is judged, and how: another file"
        )
    return parser


def _run(given: argparse.Namespace) -> None:
    known = registered.read(given.registered)
    asked = plan.quick() if given.quick else plan.full(known) if given.full else plan.normal(known)
    asked = plan.narrowed(
        asked,
        tasks=_names(given.tasks),
        forms=_names(given.forms),
        arms=_names(given.arms),
        members=[int(number) for number in _names(given.members)],
        seeds=range(*map(int, given.seeds.split(":"))) if given.seeds else (),
        minutes=given.minutes,
    )
    now = datetime.now(UTC)
    default = ROOT / "bench-results" / f"learning-{now:%Y%m%dT%H%M%SZ}.jsonl"
    results = Results(given.add_to or given.to or default)
    results.begin({"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **machine.describe()})
    try:
        run(asked, results, processes=given.processes, say=lambda words: print(words, flush=True))
    finally:
        print(f"{len(results.rows)} runs are in {results.file}; --add-to continues it", flush=True)


def _report(given: argparse.Namespace) -> None:
    known, results = registered.read(given.registered), Results(given.file)
    judged = report.report_of(results.head, samples(results.rows.values(), dict(known.ranges)), known)
    about = {name: arm.about for name, arm in ARMS.items()} | PEERS_ABOUT
    if given.into is None:
        print(markdown(judged, about), end="")
        return
    folder = given.into.with_suffix("")
    folder.mkdir(exist_ok=True)
    name, picture = given.registered.stem, None
    if judged.figures:
        picture = f"{folder.name}/{name.replace('registered', 'gains')}.svg"
        (given.into.parent / picture).write_text(svg(judged))
    told = markdown(judged, about, picture)
    data = msgspec.json.encode(report.compact(judged, results.rows))
    (folder / f"{name.replace('registered', 'result')}.json").write_bytes(data + b"\n")
    given.into.write_text(into(given.into.read_text(), told, name))


def _power(given: argparse.Namespace) -> None:
    known, results = registered.read(given.registered), Results(given.file)
    found = samples(results.rows.values(), dict(known.ranges))
    rows = list(report.power_table(found, known, arm=known.arm, power=given.power))
    for cell, deviation, needed in rows:
        print(f"{report.cell_text(cell):32} deviation {deviation:6.3f}  seeds {needed}")
    print(f"{len(rows)} cells; the most is {max((needed for *_, needed in rows), default=0)}")


def _names(given: str) -> list[str]:
    return [name for name in given.replace(" ", ",").split(",") if name]


if __name__ == "__main__":
    main()
