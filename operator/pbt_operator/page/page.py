"""The report: one HTML page about one population that needs nothing but itself, neither a network nor a server."""

import hashlib
import json
from base64 import b64encode
from importlib.resources import files
from string import Template

from pbt_operator.core.crossing import crossings, doubt
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import SubPopulation, rounds_of
from pbt_operator.page.chart_data import Json, chart_data, lineage_keys
from pbt_operator.page.decisions_section import decisions_section
from pbt_operator.page.figures import scores_section, tree_section, values_section
from pbt_operator.page.found_schedule import as_yaml
from pbt_operator.page.header import header
from pbt_operator.page.html import plain, section, text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.learned_section import learned_section, series_of
from pbt_operator.page.tables import Comparison, comparison_section, members_section, schedule_section
from pbt_operator.page.words import counted, life_text
from pbt_operator.records.archive import Archive

SCRIPTS = ("scales.js", "charts.js", "tree.js", "series.js", "page.js")
MAX_NOTES = 50
MAX_LISTED = 12
LEFT_OUT = {"template", "storage", "initial"}


def page(archive: Archive, *, comparison: Comparison | None = None) -> str:
    """The whole page.

    Raises:
        RecordRefused: a birth of the winner's lineage is missing.
    """
    status, lives, winner = archive.status(), Incarnations(archive), set(lineage_keys(archive))
    data = chart_data(archive, lives) | {"series": series_of(archive, lives)}
    sections = [
        scores_section(archive, data),
        comparison_section(comparison) if comparison else "",
        values_section(data),
        tree_section(lives),
        learned_section(archive, lives),
        schedule_section(archive),
        members_section(archive, status, lives),
        decisions_section(archive, lives, winner),
    ]
    css, script = _asset("page.css"), "".join(_asset(name) for name in SCRIPTS)
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        title=f"{text(archive.record.name)} - Population Based Training",
        css=css,
        header=header(archive, status),
        sections="\n".join([*(sections if lives.all else []), _setup(archive)]),
        footer="Made by <code>pbt report</code> from the records in the population's store.",
        data=_embedded(data),
        script=script,
    )


def _asset(name: str) -> str:
    return files("pbt_operator.page").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _embedded(data: Json) -> str:
    """JSON that can't end the script element that it stands in."""
    document = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return document.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _setup(archive: Archive) -> str:
    spec = {key: value for key, value in archive.record.spec.items() if key not in LEFT_OUT}
    notes = "".join(f"<li>{text(note)}</li>" for note in [*_plan(archive.spec), *_notes(archive)])
    return section(
        "Set-up",
        f"<ul class=notes>{notes}</ul>" if notes else "",
        f'<div class="yaml"><pre tabindex="0" aria-label="The spec as YAML">{plain(as_yaml(spec))}</pre></div>',
        intro="What was asked for, less template, storage and initial values.",
        long=True,
    )


def _plan(spec: Spec) -> list[str]:
    """When losers are replaced, and how far moves get until the end."""
    found = []
    if percent := spec.exploit.horizon_percent:
        rounds = _rounds_of(SubPopulation(horizon_percent=percent), spec)
        found.append(
            f"Losers are replaced after {percent} % of the rounds that are left. Planned against totalSteps, "
            f"{spec.schedule.total_steps:,}: in the rounds {rounds}"
        )
    for number, part in enumerate(spec.sub_populations):
        rounds = _rounds_of(part, spec)
        found.append(f"Losers of sub-population {number} ({part}) are replaced in the rounds {rounds}")
    doubts = doubt(spec)
    return found + [f"{told}." for told in (*crossings(spec), *([] if doubts is None else [doubts]))]


def _rounds_of(pace: SubPopulation, spec: Spec) -> str:
    rounds = rounds_of(pace, spec.schedule)
    listed = ", ".join(f"{number:,}" for number in rounds[:MAX_LISTED])
    return f"{listed or 'none'}{', ...' if rounds[MAX_LISTED:] else ''}"


def _notes(archive: Archive) -> list[str]:
    """What trainers noted, each text once, and what was refused."""
    found: dict[str, list[str]] = {}
    for report in [*archive.reports.values(), *archive.saves.values()]:
        for note in report.notes:
            who = life_text(report.member, report.incarnation)
            found.setdefault(note, []).append(f"{who} at step {report.step:,}")
    notes = [
        f"{note} ({where[0]}" + (f" and {counted(len(where) - 1, 'more report')})" if where[1:] else ")")
        for note, where in found.items()
    ]
    notes += [f"A record was refused: {why}" for why in archive.refused.values()]
    left_out = notes[MAX_NOTES:]
    return notes[:MAX_NOTES] + ([f"and {len(left_out):,} more notes"] if left_out else [])
