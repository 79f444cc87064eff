"""The head of the page: what came out, what it took, and one sentence of how the winner came to be."""

from msgspec import UNSET, UnsetType

from pbt_contract.records import Value
from pbt_contract.text import escaped
from pbt_operator.core.search import Goal
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Status
from pbt_operator.core.time_words import forecast_text, spent_text
from pbt_operator.core.wording import all_of
from pbt_operator.page.html import text
from pbt_operator.page.words import (
    counted,
    due_text,
    parts_text,
    score_text,
    strategy_text,
    takeovers_text,
    value_text,
)
from pbt_operator.records.archive import Archive


def header(archive: Archive, status: Status) -> str:
    """Name, phase, sentence and figures."""
    reason = f"{status.reason}: {status.message}" if status.message else ""
    tiles = "".join(
        f'<div class="tile"><dt>{text(name)}</dt><dd>{text(value)}</dd><dd class="small">{text(below)}</dd></div>'
        for name, value, below in _tiles(archive, status)
    )
    return (
        f'<div class="title"><h1>{text(archive.record.name)}</h1>'
        f'<span class="phase {text(status.phase)}">{text(status.phase)}</span></div>\n'
        f'<p class="lead">{text(sentence(archive))}</p>\n<p class="reason">{text(reason)}</p>\n'
        f'<dl class="tiles">{tiles}</dl>\n<p class="reason">{text(f"Strategy: {strategy_text(status)}")}</p>'
        f"{_parts(archive.spec, status)}{_takeovers(status)}"
    )


def _parts(spec: Spec, status: Status) -> str:
    """A line for each sub-population."""
    lines = parts_text(status, interval_steps=spec.schedule.interval_steps)
    return "".join(f'\n<p class="reason">{text(line[0].upper() + line[1:])}</p>' for line in lines)


def _takeovers(status: Status) -> str:
    if isinstance(status.takeovers, UnsetType):
        return ""
    return f'\n<p class="reason">{text(f"Restarts: {takeovers_text(status.takeovers)}")}</p>'


def sentence(archive: Archive) -> str:
    """How the winner came to be."""
    best, metric = archive.best, escaped(archive.spec.objective.metric)
    if best is None:
        return f"No member has reported a finite {metric} yet."
    word = "lowest" if archive.spec.objective.goal is Goal.MINIMIZE else "best"
    told = (
        f"Member {best.member} reached the {word} {metric}, {score_text(best.score)}, at step {best.step:,}."
    )
    segments = archive.lineage(best)
    births = [archive.births[segment.life] for segment in segments]
    copies = [birth for birth in births if birth.source is not None and birth.source.member != birth.member]
    if not copies:
        return f"{told} It never copied another member: it trained all of its {best.step:,} steps itself."
    last = copies[-1].source
    assert last is not None, "a copy has a source"
    times = "once," if len(copies) == 1 else f"{len(copies)} times, the last time"
    told += (
        f" Its weights began in member {births[0].member} and were copied {times} "
        f"from member {last.member} at step {last.step:,}."
    )
    first, newest = births[0].hyperparameters, births[-1].hyperparameters
    changed = [
        f"{escaped(h.name)} from {before} to {after}"
        for h in archive.spec.hyperparameters
        if (before := _rounded(first.get(h.name, ""))) != (after := _rounded(newest.get(h.name, "")))
    ]
    if changed:
        told += f" Along the way its hyperparameters changed: {all_of(changed)}."
    return told


def _tiles(archive: Archive, status: Status) -> list[tuple[str, str, str]]:
    spec, best, final = archive.spec, status.best, status.final
    metric = escaped(spec.objective.metric)
    none = (score_text(None), "no finite score yet")
    steps = status.steps
    return [
        (
            f"Best {metric}",
            *((score_text(best.score), f"member {best.member}, step {best.step:,}") if best else none),
        ),
        (
            "Best at the end" if status.phase.ended else "Best now",
            *((score_text(final.score), f"member {final.member}, step {final.step:,}") if final else none),
        ),
        (
            "Steps",
            f"{steps.productive + steps.discarded:,}",
            f"{spec.members:,} x {spec.schedule.total_steps:,}; {steps.discarded:,} discarded",
        ),
        ("Rounds", f"{status.rounds:,}", _pace(spec, status)),
        ("Exploits", f"{status.exploits:,}", f"{counted(status.births, 'birth')} in all"),
        *_time_tiles(status),
    ]


def _time_tiles(status: Status) -> list[tuple[str, str, str]]:
    """What the processes' time went to, and what is left."""
    tiles = []
    if not isinstance(status.seconds, UnsetType):
        whole, _, shares = spent_text(status.seconds).partition(": ")
        tiles.append(("Process time", whole, shares))
    if not isinstance(status.forecast, UnsetType):
        left, _, hours = forecast_text(status.forecast).partition(", ")
        tiles.append(("Left", left, hours or "at the pace of the newest reports"))
    return tiles


def _pace(spec: Spec, status: Status) -> str:
    """How often members are compared, and when losers are replaced next."""
    interval = spec.schedule.interval_steps
    told = f"one every {interval:,} steps"
    if status.due is not UNSET:
        told += f"; {due_text(status.due, interval_steps=interval)}"
    return told


def _rounded(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value_text(value)
