"""The curves of one metric: a line for each life, and the range that its axis shows."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pbt_contract.records import Report
from pbt_contract.text import escaped
from pbt_operator.core.search import Goal
from pbt_operator.page.incarnations import Incarnation, Incarnations
from pbt_operator.records.archive import Archive

MAX_CURVES = 60_000
"""Of all metrics beside the objective together; of more metrics, those that most reports have."""

MAX_OTHERS = 256
"""Such metrics, which is more than a choice is made among."""

MAX_VALUES = 100_000
"""Of all those curves together."""

Point = list[float | None]


def thinned(reports: Sequence[Report], metric: str, stride: int) -> list[Point]:
    """Step and value of one report in `stride`, the first and the last among them."""
    last = len(reports) - 1
    return [
        [report.step, report.score(metric)]
        for index, report in enumerate(reports)
        if index % stride == 0 or index == last
    ]


def other_metrics(
    archive: Archive, lives: Incarnations, kept: Sequence[Incarnation]
) -> tuple[list[dict[str, Any]], int]:
    """The metrics beside the objective, by name: for each its range and, life by life, what `kept` reported of it.

    Returns:
        Those that are shown, and how many there are.
    """
    names = Counter(
        name for life in kept for report in [*life.reports, *life.discarded] for name in report.metrics
    )
    names.pop(archive.spec.objective.metric, None)
    room = min(MAX_OTHERS, MAX_CURVES // max(1, len(kept)))
    chosen = sorted(name for name, _ in sorted(names.items(), key=lambda n: (-n[1], n[0]))[:room])
    stride = max(1, math.ceil(sum(names[name] for name in chosen) / MAX_VALUES))
    return [_metric(lives, kept, stride, name) for name in chosen], len(names)


def _metric(lives: Incarnations, kept: Sequence[Incarnation], stride: int, name: str) -> dict[str, Any]:
    curves: list[dict[str, Any]] = []
    values: list[float] = []
    for life in kept:
        origin = lives.origin(life, metric=name)
        points = thinned(_having(name, life.reports), name, stride)
        values += [value for _, value in points if value is not None]
        curves.append(
            {
                "origin": list(origin) if origin else None,
                "points": points,
                "discarded": thinned(_having(name, life.discarded), name, stride),
            }
        )
    low, high, outside = usual(values)
    return {"name": escaped(name), "domain": [low, high], "outside": outside, "curves": curves}


def _having(name: str, reports: Sequence[Report]) -> list[Report]:
    return [report for report in reports if name in report.metrics]


def domain(scores: Iterable[float], *, goal: Goal) -> tuple[float, float, int]:
    """The range of the score axis.

    A few diverged members must not flatten the picture: the bad side is cut where it reaches further beyond nine
    tenths of the scores than twice the width of those.

    Returns:
        Its ends, and how many scores lie outside.
    """
    ordered = sorted(scores)
    if not ordered:
        return 0.0, 1.0, 0
    low, high, tenth = ordered[0], ordered[-1], len(ordered) // 10
    if goal is Goal.MAXIMIZE:
        usual = ordered[tenth]
        low = max(low, usual - 2 * (high - usual)) if usual < high else low
    else:
        usual = ordered[-1 - tenth]
        high = min(high, usual + 2 * (usual - low)) if usual > low else high
    outside = sum(not low <= score <= high for score in ordered)
    return *_not_a_point(low, high), outside


def usual(values: Iterable[float]) -> tuple[float, float, int]:
    """The same for a metric of which nobody has said which side is bad: both are cut."""
    ordered = sorted(values)
    if not ordered:
        return 0.0, 1.0, 0
    tenth = len(ordered) // 10
    low, high = ordered[tenth], ordered[-1 - tenth]
    width = 2 * (high - low) or math.inf
    low, high = max(ordered[0], low - width), min(ordered[-1], high + width)
    outside = sum(not low <= value <= high for value in ordered)
    return *_not_a_point(low, high), outside


def _not_a_point(low: float, high: float) -> tuple[float, float]:
    margin = (abs(low) / 10 or 1.0) if low == high else 0.0
    return low - margin, high + margin
