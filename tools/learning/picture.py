"""The report as one picture: each arm's figure with its interval, and a dot for each task."""

from collections.abc import Callable, Iterator
from html import escape

import numpy as np

from learning.report import Report

WIDTH, LEFT, RIGHT, TOP, ROW = 840, 190, 30, 46, 24
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #444 }
.small { font-size: 11px }
.zero { stroke: #888 } .grid { stroke: #8884 } .interval { stroke: #2563eb; stroke-width: 3 }
.figure { fill: #2563eb } .task { fill: #8888 } .lost { fill: #dc2626 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .interval { stroke: #60a5fa } .figure { fill: #60a5fa } }
"""


def svg(report: Report) -> str:
    """The picture, the best arm first. A task's dot is red where an arm is below random search on the average."""
    arms = sorted(report.figures, key=lambda arm: -report.figures[arm].mean)
    dots = {arm: _by_task(report, arm) for arm in arms}
    values = [
        v for arm in arms for v in (*dots[arm].values(), report.figures[arm].low, report.figures[arm].high)
    ]
    low, high = max(-1.5, min([-0.25, *values])), max([0.5, *values])
    height = TOP + ROW * len(arms) + 40

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (max(value, low) - low) / (high - low), 1)

    about = "Gain over random search, in units of what it leaves. Bar: all tasks, 95 %. Dots: tasks."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>The gain of each arm over random search</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="18">{about}</text>',
        *_grid(low, high, height, x),
    ]
    for number, arm in enumerate(arms):
        y, found = TOP + ROW * number + ROW / 2, report.figures[arm]
        lines.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(arm)}</text>')
        lines += [
            f'<circle class="{"lost" if value < 0 else "task"}" cx="{x(value)}" cy="{y}" r="4">'
            f"<title>{escape(task)} {value:+.2f}</title></circle>"
            for task, value in dots[arm].items()
        ]
        lines.append(f'<line class="interval" x1="{x(found.low)}" x2="{x(found.high)}" y1="{y}" y2="{y}"/>')
        lines.append(f'<circle class="figure" cx="{x(found.mean)}" cy="{y}" r="5"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _by_task(report: Report, arm: str) -> dict[str, float]:
    """The mean gain over each task's cells."""
    found: dict[str, list[float]] = {}
    for cell, known in report.gains[arm].items():
        found.setdefault(cell.task, []).append(known.mean)
    return {task: float(np.mean(gains)) for task, gains in found.items()}


def _grid(low: float, high: float, height: int, x: Callable[[float], float]) -> Iterator[str]:
    step = 0.25 if high - low < 3 else 0.5
    for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        at, value = x(number * step), number * step
        yield (
            f'<line class="{"grid" if number else "zero"}" x1="{at}" x2="{at}" y1="{TOP - 8}" y2="{height - 34}"/>'
            f'<text class="small" x="{at}" y="{height - 18}" text-anchor="middle">{value:+g}</text>'
        )
