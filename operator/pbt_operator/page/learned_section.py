"""What was learned: diversity, sub-populations, which hyperparameters mattered, and why newborns have their values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbt_operator.core.ancestry import Diversity
from pbt_operator.core.part_scores import part_scores
from pbt_operator.core.value_origins import Origin, ValueOrigins, value_origins
from pbt_operator.page.chart_data import Json
from pbt_operator.page.html import Cell, Row, section, table, text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.learned_words import diversity_of, diversity_text, evidence_text, warning_text
from pbt_operator.records.archive import Archive

if TYPE_CHECKING:
    from pbt_operator.core.rules.explained import Evidence, Window

MAX_POINTS = 400
"""Of one line of a chart."""
MAX_ROWS = 200


def series_of(archive: Archive, lives: Incarnations) -> Json:
    """What the section's charts draw: by chart, its lines with their names and points."""
    found = diversity_of(archive, lives)
    drawn: Json = {
        "ancestors": [
            _line("first ancestors alive", [(each.step, each.ancestors) for each in found]),
            _line("members of the largest", [(each.step, each.largest) for each in found]),
        ]
    }
    if archive.spec.sub_populations:
        scores = part_scores(archive.rounds, archive.spec.objective)
        drawn["parts"] = [
            _line(f"{number} ({part})", [(each.step, each.score) for each in scores if each.part == number])
            for number, part in enumerate(archive.spec.sub_populations)
        ]
    return drawn


def _line(name: str, points: Sequence[tuple[int, float]]) -> Json:
    stride = max(1, -(-len(points) // MAX_POINTS))
    last = len(points) - 1
    kept = [point for index, point in enumerate(points) if index % stride == 0 or index == last]
    return {"name": name, "points": kept}


def learned_section(archive: Archive, lives: Incarnations) -> str:
    """The section; empty before the first round."""
    found = diversity_of(archive, lives)
    if not found:
        return ""
    warning = warning_text(archive, found)
    parts = archive.spec.sub_populations
    charts = [_chart("ancestors", "First ancestors alive", _diversity_label(found))]
    if parts:
        charts.append(
            _chart("parts", "Best score by sub-population", f"Best score of {len(parts)} sub-populations.")
        )
    origins = value_origins(archive.rounds)
    return section(
        "What was learned",
        f'<p class="warning">{text(f"Warning: {warning}.")}</p>' if warning else "",
        f'<div class="grid-of-charts">{"".join(charts)}</div>',
        _explained(archive),
        _origins(origins),
        intro=f"How many of the starts are left, which hyperparameters mattered when, and why newborns have their "
        f"values. {diversity_text(found).capitalize()}.",
        long=True,
    )


def _diversity_label(found: Sequence[Diversity]) -> str:
    told = "; ".join(
        f"{each.ancestors} after step {each.step:,}" for each in found[:: max(1, len(found) // 5)]
    )
    return f"First ancestors alive: {told}."


def _chart(name: str, title: str, label: str) -> str:
    caption = f"<figcaption><h3>{text(title)}</h3></figcaption>"
    return f'<figure>{caption}<div data-chart="series" data-series="{name}" data-label="{text(label)}"></div></figure>'


def _explained(archive: Archive) -> str:
    # Import numpy: commands that make no page start without it.
    from pbt_operator.core.rules.choosing import LEAST_EVIDENCE
    from pbt_operator.core.rules.explained import explained

    rounds = archive.rounds
    view = archive.spec.view(rounds[-1].number, rounds[-1].entries)
    windows = explained(view, rounds)
    if not windows:
        return ""
    names = [*windows[0].alone]
    rows = [_evidence_row(name, [window.alone[name] for window in windows]) for name in names]
    if len(names) > 1:
        rows.append(_evidence_row("all together", [window.together for window in windows]))
    told = (
        "How much likelier the gains of members within their rounds are if a hyperparameter alone matters, in nats: "
        f"from {LEAST_EVIDENCE:g} on that is evidence. Length: how much of its range a number may move until it tells "
        "little of another one."
    )
    return (
        f"<h3>Which hyperparameters explained the gains</h3><p>{text(told)}</p>"
        f'<div class="scroll">{table(["Hyperparameter", *map(_window_text, windows)], rows, caption="Evidence")}</div>'
    )


def _window_text(window: "Window") -> str:
    return f"Rounds {window.first:,} - {window.last:,}"


def _evidence_row(name: str, found: "Sequence[Evidence]") -> Row:
    from pbt_operator.core.rules.choosing import LEAST_EVIDENCE

    cells = [
        Cell(f"{each.nats:.1f}", _length_text(each) if each.nats >= LEAST_EVIDENCE else "", kind="n")
        for each in found
    ]
    return Row([Cell(name), *cells])


def _length_text(evidence: "Evidence") -> str:
    return "" if evidence.length is None else f"length {evidence.length:g}"


def _origins(origins: Sequence[ValueOrigins]) -> str:
    if not origins:
        return ""
    kinds = [each for each in Origin if any(each in one.values for one in origins)]
    has_model = any(one.evidence is not None for one in origins)
    has_parts = any(one.migrated for one in origins)
    columns = ["Round", "Step", "Newborns", *(["Migrated"] if has_parts else []), *map(str.capitalize, kinds)]
    rows = []
    for one in reversed(origins[-MAX_ROWS:]):
        numbers = [f"{one.number:,}", f"{one.step:,}", f"{one.newborns:,}"]
        numbers += [f"{one.migrated:,}"] if has_parts else []
        numbers += [f"{one.values.get(kind, 0):,}" for kind in kinds]
        cells = [Cell(number, kind="n") for number in numbers]
        rows.append(Row([*cells, *([Cell(evidence_text(one))] if has_model else [])]))
    told = (
        "Of the newborns of each round that replaced losers, the newest first: how many values were moved, drawn anew, "
        "chosen by the bandit, kept or completed."
    )
    if len(origins) > MAX_ROWS:
        told += f" Of {len(origins):,} such rounds the newest {MAX_ROWS} are listed."
    listed = table(
        [*columns, *(["Evidence"] if has_model else [])], rows, caption="Why these values", name="origins"
    )
    return (
        f"<h3>Why these values</h3><p>{text(told)}</p>"
        f'<div class="scroll tall" tabindex="0" role="region" aria-label="Why these values">{listed}</div>'
    )
