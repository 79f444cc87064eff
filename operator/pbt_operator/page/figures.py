"""The parts of the page that hold charts. The charts are drawn in the browser, at the width that there is."""

from pbt_contract.text import escaped
from pbt_operator.core.search import Goal
from pbt_operator.page.chart_data import NUM_COLOURS, Json
from pbt_operator.page.html import section, text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import counted, life_text, score_text
from pbt_operator.records.archive import Archive

_WINNER = '<path d="M1 7H25" stroke="var(--ink)" stroke-width="3"/>'
_SCORE_KEYS = {
    "the winner's lineage": _WINNER,
    "the best score": '<circle cx="13" cy="7" r="5.5" fill="var(--accent)"/>',
    "copied": '<circle cx="13" cy="7" r="4.2" fill="var(--paper)" stroke="var(--ink)" stroke-width="2"/>',
    "one life of a member, coloured by first ancestor": (
        '<path d="M1 11C10 10 14 4 25 3" stroke="var(--c0)" stroke-width="1.6" fill="none"/>'
    ),
    "replaced": '<path d="M9 3l8 8m0-8l-8 8" stroke="var(--c0)" stroke-width="1.6"/>',
    "doesn't count": '<path d="M1 7H25" stroke="var(--muted)" stroke-width="1.6" stroke-dasharray="2 4"/>',
    "no finite score": '<path d="M9 4h8l-4 7z" stroke="var(--bad)" stroke-width="1.3" fill="none"/>',
}
_TREE_KEYS = {
    "the winner's lineage": _WINNER,
    "a copy, from donor to newborn": (
        '<path d="M1 2C13 2 13 12 25 12" stroke="var(--c0)" stroke-width="1.6" fill="none"/>'
    ),
    "a crash": '<path d="M9 2l8 10m0-10l-8 10" stroke="var(--bad)" stroke-width="2"/>',
    "a resume": (
        '<path d="M1 7H25" stroke="var(--c0)" stroke-width="9"/>'
        '<path d="M13 2v10" stroke="var(--paper)" stroke-width="2"/>'
    ),
}
_SCALES = {
    "log": "logarithmic",
    "oneMinus": "logarithmic in 1 - x",
    "linear": "linear",
    "integer": "whole numbers",
    "choice": "choices",
}


def scores_section(archive: Archive, data: Json) -> str:
    """The score curves."""
    metric = escaped(archive.spec.objective.metric)
    better = "lower" if archive.spec.objective.goal is Goal.MINIMIZE else "higher"
    intro = (
        f"{metric} over steps, {better} is better. "
        "One line for each life of a member; a copy branches off its donor."
    )
    if data["outside"]:
        intro += f" Far worse ones are drawn at the edge: {counted(data['outside'], 'report')}."
    intro += _left_out(data)
    label = f"Score curves of {counted(len(data['members']), 'member')} over {data['totalSteps']:,} steps."
    best = archive.best
    if best is not None:
        label += f" The best, {score_text(best.score)}, is member {best.member}'s at step {best.step:,}."
    zoom = '<button id="zoom" type="button" aria-pressed="false" hidden>Close-up of the better half</button>'
    return section(
        "Scores", zoom, _metrics(metric, data), _legend(_SCORE_KEYS), _chart("scores", label), intro=intro
    )


def _metrics(objective: str, data: Json) -> str:
    """A choice of what the curves show; none where nothing else was reported."""
    if not data["others"]:
        return ""
    names = [objective, *(other["name"] for other in data["others"])]
    options = "".join(f'<option value="{index}">{text(name)}</option>' for index, name in enumerate(names))
    left_out = data["shown"]["ofOthers"] - len(data["others"])
    whole = f"not shown: {counted(left_out, 'metric')} of fewer reports; <code>pbt export</code> has all"
    told = f"<span>{whole}</span>" if left_out else ""
    return (
        f'<div class="filters" id="metrics" hidden><label>Metric <select id="metric">{options}</select></label>'
        f'{told}<span id="metric-note" role="status"></span></div>'
    )


def values_section(data: Json) -> str:
    """The hyperparameters, one chart each."""
    charts = []
    for index, axis in enumerate(data["axes"]):
        words = _SCALES[axis["kind"]] + ("" if axis["explored"] else ", never explored")
        caption = f"<figcaption><h3>{text(axis['name'])}</h3><span>{text(words)}</span></figcaption>"
        label = (
            f"{axis['name']} of every member over steps, {words}. The winner's values are in its schedule."
        )
        charts.append(_chart("value", label, caption=caption, axis=index))
    intro = "The values that each life trained with. The thick line is the winner's schedule: what PBT found."
    return section("Hyperparameters", f'<div class="grid-of-charts">{"".join(charts)}</div>', intro=intro)


def tree_section(lives: Incarnations) -> str:
    """The lineage tree, with how many current members each first ancestor has."""
    ancestors, num = lives.ancestors(), len(lives.current)
    chips = "".join(
        f'<li><span class="chip c{index}" aria-hidden="true"></span>{text(life_text(*key))}: {count} of {num}</li>'
        for index, (key, count) in enumerate(list(ancestors.items())[:NUM_COLOURS])
    )
    others = list(ancestors.values())[NUM_COLOURS:]
    if others:
        chips += f'<li><span class="chip" aria-hidden="true"></span>{len(others)} others: {sum(others)} of {num}</li>'
    left = sum(count > 0 for count in ancestors.values())
    intro = (
        "Who descends from whom: one row for each member, coloured by first ancestor. "
        f"Current members: {num}; their different first ancestors: {left}."
    )
    label = f"Lineage tree. {intro} All births are listed under Decisions."
    return section(
        "Lineage",
        f'<ul class="legend" aria-label="Current members by first ancestor">{chips}</ul>',
        _legend(_TREE_KEYS),
        _chart("tree", label),
        intro=intro,
    )


def _left_out(data: Json) -> str:
    shown, told = data["shown"], ""
    if shown["lives"] < shown["ofLives"]:
        told = (
            f" Drawn are {shown['lives']:,} of {shown['ofLives']:,} lives: those with descendants today "
            "and an even sample of the others."
        )
    if shown["everyReport"] > 1:
        told += f" Of each life one report in {shown['everyReport']} is drawn."
    return told


def _chart(kind: str, label: str, *, caption: str = "", axis: int | None = None) -> str:
    which = "" if axis is None else f' data-axis="{axis}"'
    return f'<figure>{caption}<div data-chart="{kind}"{which} data-label="{text(label)}"></div></figure>'


def _legend(drawings: dict[str, str]) -> str:
    items = "".join(
        f'<li><svg width="26" height="14" aria-hidden="true">{drawing}</svg>{text(words)}</li>'
        for words, drawing in drawings.items()
    )
    return f'<ul class="legend">{items}</ul>'
