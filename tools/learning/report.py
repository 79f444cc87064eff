"""What a file of results says, by what is registered: verdicts, one table, and where each arm loses."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from learning.judging import (
    BASELINE,
    Cell,
    Figure,
    Gain,
    Samples,
    figure,
    gain,
    holm,
    saturated,
    seeds_needed,
)
from learning.registered import Claim, Registered
from learning.results import Row

Gains = Mapping[str, Mapping[Cell, Gain]]
"""By arm and cell, over random search."""


class Verdict(NamedTuple):
    """One claim and what became of it."""

    claim: str
    holds: bool | None
    measured: str


class Report(NamedTuple):
    """All that is told of a file.

    Attributes:
        head: of which commit and machine.
        samples: of the cells that aren't saturated.
        left_out: the saturated ones.
        gains: over random search.
        figures: of each arm over random search, with the members of the claims; none where nothing is claimed.
        losing: by arm, the cells in which it is below random search, after Holm.
        verdicts: on what is registered.
    """

    head: Mapping[str, Any]
    samples: Samples
    left_out: list[Cell]
    gains: Gains
    figures: Mapping[str, Figure]
    losing: Mapping[str, list[Cell]]
    verdicts: list[Verdict]


def report_of(head: Mapping[str, Any], found: Samples, registered: Registered) -> Report:
    """Judges samples.

    Args:
        head: the first line of the results.
        found: in units of the ranges.
        registered: how to judge.
    """
    left_out = sorted(cell for cell, scores in found.items() if saturated(scores, registered.saturated))
    samples = {cell: scores for cell, scores in found.items() if cell not in left_out and BASELINE in scores}
    arms = dict.fromkeys([*registered.arms, *(arm for scores in samples.values() for arm in scores)])
    gains = {
        arm: {
            cell: known
            for cell, scores in sorted(samples.items())
            if (known := gain(scores, arm, margin=registered.margin)) is not None
        }
        for arm in arms
        if arm != BASELINE
    }
    judged = _of(samples, registered.claims[0].members) if registered.claims else {}
    figures = {
        arm: known for arm in gains if (known := figure(judged, arm, limit=registered.saturated)) is not None
    }
    losing = {arm: _below(by_cell, registered.alpha) for arm, by_cell in gains.items()}
    verdicts = [*_cell_verdicts(gains.get(registered.arm, {}), registered)]
    verdicts += [_figure_verdict(claim, samples, registered) for claim in registered.claims]
    return Report(head, samples, left_out, gains, figures, losing, verdicts)


def power_table(
    found: Samples, registered: Registered, *, arm: str, power: float
) -> Iterator[tuple[Cell, float, int]]:
    """How many seeds each cell needs: its paired deviation in units of 1 - random search, and the seeds.

    Args:
        found: of a pilot, on other seeds than those that are judged.
        registered: with the margin and the level, which Holm divides by the number of cells at worst.
        arm: the one that is judged.
        power: how probable it is that an arm equal to random search is shown not inferior.
    """
    cells = {c: s for c, s in sorted(found.items()) if not saturated(s, registered.saturated) and arm in s}
    for cell, scores in cells.items():
        known = gain(scores, arm, margin=registered.margin)
        if known is None:
            continue
        seeds = sorted(scores[arm].keys() & scores[BASELINE].keys())
        pairs = np.array([[scores[arm][seed], scores[BASELINE][seed]] for seed in seeds])
        deviation = float(np.std(pairs[:, 0] - pairs[:, 1], ddof=1) / (1 - pairs[:, 1].mean()))
        yield (
            cell,
            deviation,
            seeds_needed(
                deviation, margin=registered.margin, alpha=registered.alpha / len(cells), power=power
            ),
        )


def compact(report: Report, rows: Mapping[Any, Row]) -> dict[str, Any]:
    """All true scores of a file, five digits each, by task, form, members and arm; with the seeds of each cell."""
    cells: dict[str, Any] = {}
    for row in sorted(rows.values(), key=lambda row: row.key):
        if row.score is not None:
            cell = cells.setdefault(f"{row.task}/{row.form}/{row.members}", {})
            of_arm = cell.setdefault(row.arm, {"seeds": [], "scores": [], "replaced": 0})
            of_arm["seeds"].append(row.seed)
            of_arm["scores"].append(float(f"{row.score:.5g}"))
            of_arm["replaced"] += row.replaced
    for cell in cells.values():
        for of_arm in cell.values():
            of_arm["seeds"] = _spans(of_arm["seeds"])
    return {"head": dict(report.head), "cells": cells}


def _spans(seeds: list[int]) -> list[list[int]]:
    """Ascending numbers as spans, first and last."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return spans


def _of(samples: Samples, members: tuple[int, ...]) -> Samples:
    return {cell: scores for cell, scores in samples.items() if cell.members in members}


def _below(by_cell: Mapping[Cell, Gain], alpha: float) -> list[Cell]:
    adjusted = holm([known.p_below for known in by_cell.values()])
    return [cell for cell, p in zip(by_cell, adjusted, strict=True) if p <= alpha]


def _cell_verdicts(by_cell: Mapping[Cell, Gain], registered: Registered) -> Iterator[Verdict]:
    """About the arm that must not lose to random search anywhere."""
    arm, number = registered.arm, len(by_cell)
    adjusted = holm([known.p_inferior for known in by_cell.values()])
    open_ = [cell for cell, p in zip(by_cell, adjusted, strict=True) if p > registered.alpha]
    shown = f"{number - len(open_)} of {number} cells"
    told = f"{shown}; not in {', '.join(map(cell_text, open_))}" if open_ else shown
    claim = f"{arm} isn't inferior to random search in any cell, by {100 * registered.margin:g} % of what it leaves"
    yield Verdict(claim, not open_ if number else None, told)
    above = sum(p <= registered.alpha for p in holm([known.p_above for known in by_cell.values()]))
    claim = f"{arm} is above random search in {100 * registered.above:g} % of the cells"
    share = above / number if number else 0.0
    yield Verdict(
        claim, share >= registered.above if number else None, f"{above} of {number}, {100 * share:.0f} %"
    )


def _figure_verdict(claim: Claim, samples: Samples, registered: Registered) -> Verdict:
    mode = registered.mode
    against = mode.chosen or claim.against if claim.against in mode.arms else claim.against
    found = figure(_of(samples, claim.members), claim.arm, against, limit=registered.saturated)
    limit = 0.0 if claim.is_ == "above" else -registered.margin
    words = "is above" if claim.is_ == "above" else "isn't inferior to"
    numbers = " and ".join(map(str, claim.members))
    told = f"the figure of {claim.arm} {words} {against}'s, {numbers} members"
    if found is None:
        return Verdict(told, None, "not measured")
    return Verdict(told, found.low > limit, figure_text(found))


def cell_text(cell: Cell) -> str:
    """A cell in words."""
    return f"{cell.task} {cell.form} {cell.members}"


def figure_text(found: Figure) -> str:
    """A mean gain with its interval."""
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
