"""Wall time against the ideal: all steps of the slowest member, or of all members by turns, and nothing else.

A step takes a second of waiting. What comes before the first step is left out, on both sides. A step that a loser did
after the one that it was judged by is lost to it, and so is no part of the ideal: a script that asks within its steps
whether they are lost (`Run.superseded`) leaves them early. A second figure counts all steps that were made: what is
left then is time in which nobody trained.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import local, peer
from bench.local import Settings
from bench.marks import Mark, by_member
from bench.sample import Remark, Sample
from bench.settings import quick

NAME = "wall"
FOUR = Settings(steps=40, interval=10, step_seconds=1.0)
EIGHT = replace(FOUR, rates=tuple(0.1 * number for number in range(1, 9)))
SCARCE = replace(EIGHT, steps=16, interval=4)
SHORT = replace(FOUR, steps=12, interval=4, step_seconds=0.5)


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """What is judged in every round, the rest once."""
    if quick():
        yield from _own("4-members", SHORT, "InPlace")
        yield from _rays("4-members", SHORT)
        return
    for number in range(rounds):
        yield from _own("4-members", FOUR, "InPlace")
        yield from _own("4-members", FOUR, "InPlace", leaves=True)
        yield from _own("8-members", EIGHT, "InPlace", leaves=True)
        yield from _by_turns(4, "InPlace", EIGHT)
        if number == 0:
            yield from _rays("4-members", FOUR)
            yield from _own("4-members", FOUR, "Recreate")
            yield from _own("8-members", EIGHT, "InPlace")
            yield from _by_turns(4, "Recreate", EIGHT)
            yield from _by_turns(2, "InPlace", SCARCE)
            yield from _by_turns(2, "Recreate", SCARCE)


def _own(name: str, settings: Settings, restart: str, *, leaves: bool = False) -> Iterator[Sample]:
    """Every member has a process; one that `leaves` asks within its steps whether they are lost."""
    environment = {"BENCH_LEAVES": "1"} if leaves else {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = local.train(Path(folder), settings, restart=restart, environment=environment)
    figure = f"wall.{name}.{_way(restart)}{'.leaving' if leaves else ''}"
    yield Sample(figure, slowest(run.marks, settings), "ratio")
    yield Sample(f"{figure}.all-steps", idlest(run.marks, settings), "ratio")


def _by_turns(slots: int, restart: str, settings: Settings) -> Iterator[Sample]:
    """Eight members share fewer processes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = local.train(Path(folder), settings, restart=restart, slots=slots, seconds=600)
    figure, steps = f"wall.8-members-{slots}-slots.{_way(restart)}", len(settings.rates) * settings.steps
    yield Sample(figure, together(run.marks, settings, slots, steps=steps), "ratio")
    made = sum(mark.what == "end" for mark in run.marks)
    yield Sample(f"{figure}.all-steps", together(run.marks, settings, slots, steps=made), "ratio")


def _rays(name: str, settings: Settings) -> Iterator[Sample | Remark]:
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            marks = peer.train(Path(folder), settings, reuse=True, seconds=300)
    except (peer.PeerMissing, local.RunFailed) as error:
        yield Remark(f"Ray is missing: {error}")
        return
    yield Sample(f"wall.{name}.ray-reuse", slowest(marks, settings), "ratio")


def slowest(marks: Sequence[Mark], settings: Settings) -> float:
    """The slowest member's time from its first step to the end of its last one, over that of all its steps."""
    spans = [_span(mine) for mine in by_member(marks).values()]
    return max(end - begin for begin, end in spans) / (settings.steps * settings.step_seconds)


def idlest(marks: Sequence[Mark], settings: Settings) -> float:
    """As `slowest`, over the time of the steps that the member made, those in vain included."""
    members = by_member(marks).values()
    made = [sum(mark.what == "end" for mark in mine) for mine in members]
    spans = [end - begin for begin, end in map(_span, members)]
    return max(span / (steps * settings.step_seconds) for span, steps in zip(spans, made, strict=True))


def together(marks: Sequence[Mark], settings: Settings, slots: int, *, steps: int) -> float:
    """The time from the first step of all to the end of the last one, over that of so many steps on the slots."""
    begin, end = _span(marks)
    return (end - begin) * slots / (steps * settings.step_seconds)


def _span(marks: Sequence[Mark]) -> tuple[float, float]:
    begins = [mark.t for mark in marks if mark.what == "begin"]
    ends = [mark.t for mark in marks if mark.what == "end"]
    return min(begins), max(ends)


def _way(restart: str) -> str:
    return "in-place" if restart == "InPlace" else "new-process"
