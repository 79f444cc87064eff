"""The values of one figure, what they amount to, and the results of a whole run as JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Literal

from bench.sample import Sample

RESAMPLES = 2_000
FORMAT = 1


@dataclass(frozen=True)
class Figure:
    """All values of one figure, in the order in which they were measured."""

    name: str
    unit: str
    exact: bool
    better: Literal["less", "more"]
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the median; of fewer than three values their extremes."""
        return interval(self.values)


def interval(values: tuple[float, ...]) -> tuple[float, float]:
    """See `Figure.interval`. Drawn with a fixed seed: the same values give the same interval."""
    if len(values) < 3:
        return min(values), max(values)
    random = Random(0)
    medians = sorted(median(random.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[round(0.025 * (RESAMPLES - 1))], medians[round(0.975 * (RESAMPLES - 1))]


def collect(samples: Iterable[Sample]) -> dict[str, Figure]:
    """The figures by name.

    Raises:
        ValueError: the samples of one figure don't agree on what it is.
    """
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.figure, []).append(sample)
    figures = {}
    for name, mine in found.items():
        kinds = {(sample.unit, sample.exact, sample.better) for sample in mine}
        if len(kinds) > 1:
            raise ValueError(f"the samples of {name} differ in what they are: {sorted(map(str, kinds))}")
        [(unit, exact, better)] = kinds
        figures[name] = Figure(name, unit, exact, better, tuple(sample.value for sample in mine))
    return figures


@dataclass
class Spell:
    """How one scenario went.

    Attributes:
        seconds: how long it took.
        load_before, load_after: the machine's load averages of one minute.
        others: cores that processes which aren't ours kept busy meanwhile; None where that can't be told, because
            what is measured runs in processes that somebody else has started.
        failed: why it didn't come to its end.
    """

    seconds: float
    load_before: float
    load_after: float
    others: float | None
    failed: str | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass
class Results:
    """One run of the benchmark.

    Attributes:
        began: UTC, ISO 8601.
        machine: versions and hardware.
        quick: whether only the headline was measured: not to be judged.
        rounds: that were asked for.
    """

    began: str
    machine: dict[str, Any]
    quick: bool
    rounds: int
    scenarios: dict[str, Spell] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def scenario_of(self, figure: str) -> Spell | None:
        """The scenario that a figure belongs to, by the figure's first word."""
        return self.scenarios.get(figure.partition(".")[0])

    def write(self, path: Path) -> None:
        """As JSON; with median and spread, for who reads it without this program."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {
            "format": FORMAT,
            "began": self.began,
            "quick": self.quick,
            "rounds": self.rounds,
            "machine": self.machine,
            "scenarios": {name: asdict(spell) for name, spell in self.scenarios.items()},
            "figures": {name: _told(figure) for name, figure in sorted(self.figures.items())},
        }
        path.write_text(json.dumps(told, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """From what `write` wrote.

        Raises:
            ValueError: it is of another format.
        """
        told = json.loads(path.read_text())
        if told.get("format") != FORMAT:
            raise ValueError(f"{path} is no result of this benchmark's format {FORMAT}")
        figures = {
            name: Figure(name, one["unit"], one["exact"], one["better"], tuple(one["values"]))
            for name, one in told["figures"].items()
        }
        scenarios = {name: Spell(**spell) for name, spell in told["scenarios"].items()}
        return cls(told["began"], told["machine"], told["quick"], told["rounds"], scenarios, figures)


def _told(figure: Figure) -> Mapping[str, Any]:
    low, high = figure.interval
    return {
        "unit": figure.unit,
        "exact": figure.exact,
        "better": figure.better,
        "median": figure.median,
        "min": min(figure.values),
        "max": max(figure.values),
        "interval95": [low, high],
        "values": list(figure.values),
    }
