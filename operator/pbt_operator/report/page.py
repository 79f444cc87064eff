"""The report: one HTML page about one population that needs nothing but itself, neither a network nor a server."""

import hashlib
import json
from base64 import b64encode
from importlib.resources import files
from string import Template

from pbt_operator.report.data import Json, chart_data, lineage_keys
from pbt_operator.report.decisions import decisions_section
from pbt_operator.report.figures import scores_section, tree_section, values_section
from pbt_operator.report.header import header
from pbt_operator.report.html import plain, section, text
from pbt_operator.report.lives import Lives
from pbt_operator.report.schedule import as_yaml
from pbt_operator.report.tables import Comparison, comparison_section, members_section, schedule_section
from pbt_operator.report.words import counted, life_text
from pbt_operator.story import Story

SCRIPTS = ("scales.js", "charts.js", "tree.js", "page.js")
MAX_NOTES = 50
LEFT_OUT = {"template", "storage", "initial"}


def page(story: Story, *, comparison: Comparison | None = None) -> str:
    """The whole page.

    Raises:
        RecordRefused: a birth of the winner's lineage is missing.
    """
    status, lives, winner = story.status(), Lives(story), set(lineage_keys(story))
    data = chart_data(story, lives)
    sections = [
        scores_section(story, data),
        comparison_section(comparison) if comparison else "",
        values_section(data),
        tree_section(lives),
        schedule_section(story),
        members_section(story, status, lives),
        decisions_section(story, lives, winner),
    ]
    css, script = _asset("page.css"), "".join(_asset(name) for name in SCRIPTS)
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        title=f"{text(story.record.name)} - Population Based Training",
        css=css,
        header=header(story, status),
        sections="\n".join([*(sections if lives.all else []), _setup(story)]),
        footer="Made by <code>pbt report</code> from the records in the population's store.",
        data=_embedded(data),
        script=script,
    )


def _asset(name: str) -> str:
    return files("pbt_operator.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _embedded(data: Json) -> str:
    """JSON that can't end the script element that it stands in."""
    document = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return document.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _setup(story: Story) -> str:
    spec = {key: value for key, value in story.record.spec.items() if key not in LEFT_OUT}
    notes = "".join(f"<li>{text(note)}</li>" for note in _notes(story))
    return section(
        "Set-up",
        f"<ul class=notes>{notes}</ul>" if notes else "",
        f'<div class="yaml"><pre tabindex="0" aria-label="The spec as YAML">{plain(as_yaml(spec))}</pre></div>',
        intro="What was asked for, less template, storage and initial values.",
        long=True,
    )


def _notes(story: Story) -> list[str]:
    """What trainers noted, each text once, and what was refused."""
    found: dict[str, list[str]] = {}
    for report in [*story.reports.values(), *story.saves.values()]:
        for note in report.notes:
            who = life_text(report.member, report.incarnation)
            found.setdefault(note, []).append(f"{who} at step {report.step:,}")
    notes = [
        f"{note} ({where[0]}" + (f" and {counted(len(where) - 1, 'more report')})" if where[1:] else ")")
        for note, where in found.items()
    ]
    notes += [f"A record was refused: {why}" for why in story.refused.values()]
    left_out = notes[MAX_NOTES:]
    return notes[:MAX_NOTES] + ([f"and {len(left_out):,} more notes"] if left_out else [])
