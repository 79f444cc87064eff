"""The ranges that are checked in, and what a result is worth against them and against an older result."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.figures import Figure, Results

FILE = Path(__file__).parent / "ranges.json"
MOST_OTHERS = 0.25
"""Cores that others may keep busy; beyond that a time says nothing."""
FEWEST = 3
"""Values without which there is no spread, and so no verdict."""
WORSE = 1.1
"""A time that grew by less isn't told from noise, whatever the intervals say."""


@dataclass(frozen=True)
class Range:
    """What a figure has to be.

    Attributes:
        what: the figure in words, for tables.
        limit: the median has to be at most this much (at least, where more is better).
        aim: what would be good.
        exact: the value of every run.
    """

    what: str
    limit: float | None = None
    aim: float | None = None
    exact: float | None = None
    more_is_better: bool = False


class Grade(StrEnum):
    """What can be said of a figure."""

    AIM = "aim reached"
    TARGET = "target reached"
    SHORT = "falls short"
    EXACT = "as it must be"
    WRONG = "not as it must be"
    NONE = "no verdict"


@dataclass(frozen=True)
class Verdict:
    """A grade, and why there is none."""

    grade: Grade
    why: str = ""

    def __str__(self) -> str:
        """For tables."""
        return f"{self.grade}: {self.why}" if self.why else str(self.grade)


def load(path: Path = FILE) -> dict[str, Range]:
    """The ranges by figure, in the order of the file."""
    found = {}
    for name, told in json.loads(path.read_text()).items():
        bounds = {key for key in ("max", "min", "exact") if key in told}
        if len(bounds) != 1 or told.keys() - bounds - {"what", "aim"}:
            raise ValueError(f"{path}: {name} needs `what`, one of max, min and exact, and maybe `aim`")
        limit = told.get("max", told.get("min"))
        found[name] = Range(told["what"], limit, told.get("aim"), told.get("exact"), "min" in told)
    return found


def judge(figure: Figure, wanted: Range, results: Results) -> Verdict:
    """Compares a figure's interval with its range; no verdict where the load or the spread forbids it."""
    if wanted.exact is not None:
        right = all(value == wanted.exact for value in figure.values)
        return Verdict(Grade.EXACT if right else Grade.WRONG)
    refused = refusal(figure, results)
    if refused:
        return Verdict(Grade.NONE, refused)
    assert wanted.limit is not None
    sign = -1.0 if wanted.more_is_better else 1.0
    low, high = sorted(sign * value for value in figure.interval)
    limit = sign * wanted.limit
    if wanted.aim is not None and high <= sign * wanted.aim:
        return Verdict(Grade.AIM)
    if high <= limit:
        return Verdict(Grade.TARGET)
    if low > limit:
        return Verdict(Grade.SHORT)
    return Verdict(Grade.NONE, "the spread is too wide: the limit lies within the 95 % interval")


def refusal(figure: Figure, results: Results) -> str:
    """Why this figure may not be judged; nothing if it may."""
    spell = results.scenario_of(figure.name)
    if results.quick:
        return "a quick run is too short"
    if spell is not None:
        if spell.failed is not None:
            return "its scenario failed"
        cores = float(results.machine["cores"] or 1)
        if spell.others is None and spell.load_before > 0.5 * cores:
            return f"the machine was busy before (load {spell.load_before:.1f} on {cores:g} cores)"
        if spell.others is not None and spell.others > MOST_OTHERS:
            return f"others kept {spell.others:.2f} cores busy meanwhile"
    if len(figure.values) < FEWEST:
        return f"{len(figure.values)} values have no spread"
    return ""


def violations(results: Results, ranges: Mapping[str, Range]) -> Iterator[str]:
    """What is out of its range, a sentence for each; figures that can't be judged are none."""
    for name, wanted in ranges.items():
        figure = results.figures.get(name)
        if figure is None:
            continue
        verdict = judge(figure, wanted, results)
        if verdict.grade is Grade.WRONG:
            yield f"{name} is {_shown(figure)}, and must be {wanted.exact:g}"
        elif verdict.grade is Grade.SHORT:
            yield f"{name} is {figure.median:.4g} {figure.unit}, and the limit is {wanted.limit:g}"
    for name, figure in results.figures.items():
        if figure.exact and len(set(figure.values)) > 1:
            yield f"{name} differs between rounds: {_shown(figure)}"
    for name, spell in results.scenarios.items():
        if spell.failed is not None:
            yield f"the scenario {name} failed: {spell.failed}"


def regressions(results: Results, older: Results) -> Iterator[str]:
    """What became worse than in an older result: another count, or a worse median and intervals apart.

    Times and sizes are compared only between results of the same kind of machine; ratios and counts always.
    """
    alike = all(results.machine[key] == older.machine[key] for key in ("cpu", "cores"))
    for name, now in results.figures.items():
        then = older.figures.get(name)
        if then is None:
            continue
        if now.exact:
            if set(now.values) != set(then.values):
                yield f"{name} was {_shown(then)}, and is {_shown(now)}"
            continue
        judged = not refusal(now, results) and not refusal(then, older)
        if judged and (alike or now.unit == "ratio") and _is_worse(now, then):
            yield f"{name} was {then.median:.4g} {then.unit}, and is {now.median:.4g}"


def _is_worse(now: Figure, then: Figure) -> bool:
    (now_low, now_high), (then_low, then_high) = now.interval, then.interval
    if now.better == "more":
        return now_high < then_low and now.median * WORSE < then.median
    return now_low > then_high and now.median > then.median * WORSE


def _shown(figure: Figure) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(figure.values)))
