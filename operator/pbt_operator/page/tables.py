"""The parts of the page that hold tables: the winner's schedule, the members, a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pbt_contract.records import Value
from pbt_contract.text import escaped
from pbt_operator.core.lineage import schedule
from pbt_operator.core.status import Status
from pbt_operator.page.found_schedule import as_yaml, found_schedule
from pbt_operator.page.html import Cell, Row, plain, section, table, text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import life_text, member_score_text, origin_text, score_text, value_text
from pbt_operator.records.archive import Archive


@dataclass(frozen=True, slots=True)
class Comparison:
    """Other ways to spend the same budget, beside the population.

    Attributes:
        note: what a reader must keep in mind.
        rows: name, score, remark; the first one is the population's.
    """

    title: str
    note: str
    rows: Sequence[tuple[str, float, str]]


def comparison_section(comparison: Comparison) -> str:
    """The scores as dots on one axis."""
    scores = [score for _, score, _ in comparison.rows]
    low, span = min(scores), (max(scores) - min(scores)) or 1.0
    rows = []
    for index, (name, score, remark) in enumerate(comparison.rows):
        dot = 'class="first" r="7"' if index == 0 else 'r="5.5"'
        lane = (
            '<svg class="lane" aria-hidden="true"><line x1="0" x2="100%" y1="10" y2="10"/>'
            f'<circle {dot} cx="{6 + 88 * (score - low) / span:.2f}%" cy="10"/></svg>'
        )
        cells = [text(name), f"<strong>{text(score_text(score))}</strong>", lane, text(remark)]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return section(
        comparison.title,
        f'<div class="scroll"><table class="comparison" aria-label="{text(comparison.title)}">'
        f"<tbody>{''.join(rows)}</tbody></table></div>",
        intro=comparison.note,
    )


def schedule_section(archive: Archive) -> str:
    """The winner's schedule for people, and to be copied; empty as long as there is no winner."""
    found, best = found_schedule(archive), archive.best
    if found is None or best is None:
        return ""
    names = _names(archive)
    rows = []
    for segment in schedule(archive.lineage(best)):
        birth = archive.births[segment.life]
        steps = f"{segment.start_step + 1:,} - {segment.end_step:,}"
        who = Cell(life_text(segment.member, segment.incarnation), origin_text(birth))
        values = _value_cells(names, segment.hyperparameters, segment.operations)
        rows.append(Row([Cell(steps, kind="brief"), who, *values]))
    document = plain(as_yaml(msgspec.to_builtins(found)))
    return section(
        "The winner's schedule",
        '<div class="halves"><div class="scroll">',
        table(["Steps", "Member", *names], rows, caption="The winner's schedule"),
        '</div><div class="yaml"><button id="copy" type="button" hidden>Copy</button>',
        f'<pre id="schedule-yaml" tabindex="0" aria-label="The schedule as YAML">{document}</pre></div></div>',
        intro="The hyperparameters behind the best checkpoint, step by step. "
        "They can be replayed without a population.",
    )


def members_section(archive: Archive, status: Status, lives: Incarnations) -> str:
    """Every member as it is now."""
    names, best = _names(archive), archive.best
    has_parts = bool(archive.spec.sub_populations)
    rows = []
    for member in status.members:
        life = lives.current.get(member.member)
        ancestor = life_text(*life.ancestor) if life and life.ancestor else ""
        won = best is not None and best.life == member.life
        rows.append(
            Row(
                [
                    Cell(life_text(member.member, member.incarnation), mark=won),
                    Cell(member.state.value),
                    Cell(f"{member.step:,}", kind="n"),
                    Cell(member_score_text(member), kind="n"),
                    *_value_cells(names, member.hyperparameters, {}),
                    Cell(ancestor),
                    *([Cell(str(member.sub_population), kind="n")] if has_parts else []),
                ]
            )
        )
    columns = ["Member", "State", "Step", escaped(archive.spec.objective.metric), *names, "First ancestor"]
    columns += ["Sub-population"] if has_parts else []
    return section(
        "Members",
        '<div class="scroll">',
        table(columns, rows, caption="Members"),
        "</div>",
        intro="Each member as it is now, with its incarnation. A newborn has no score until it reports one; who has "
        "too few evaluations so far is compared with nobody.",
        long=True,
    )


def _names(archive: Archive) -> list[str]:
    return [h.name for h in archive.spec.hyperparameters]


def _value_cells(names: list[str], values: Mapping[str, Value], operations: Mapping[str, str]) -> list[Cell]:
    return [
        Cell(
            value_text(values[name]) if name in values else "",
            operations.get(name, "").replace("kept", ""),
            kind="n",
        )
        for name in names
    ]
