"""What the page's charts draw, as plain JSON, thinned out where there is too much of it for eyes and browsers."""

import math
from collections.abc import Collection
from typing import Any

from pbt_contract.keys import Life
from pbt_contract.records import Value
from pbt_contract.text import escaped
from pbt_operator.core.search import Goal, Hyperparameter
from pbt_operator.page.curves import domain, other_metrics, thinned
from pbt_operator.page.incarnations import Incarnation, Incarnations
from pbt_operator.records.archive import Archive

MAX_LIVES = 2500
MAX_POINTS = 20_000
MAX_REASON = 240
NUM_COLOURS = 8
"""First ancestors with a colour of their own; the others are grey."""

Json = dict[str, Any]


def chart_data(archive: Archive, lives: Incarnations) -> Json:
    """All that the charts need; `shown` tells how much of it was left out."""
    kept = keep(lives, winner=lineage_keys(archive))
    num_reports = sum(len(life.reports) + len(life.discarded) for life in kept)
    stride = max(1, math.ceil(num_reports / MAX_POINTS))
    colours = {ancestor: i for i, ancestor in enumerate(list(lives.ancestors())[:NUM_COLOURS])}
    best = archive.best
    entries = [_life(life, lives, colours, archive.spec.hyperparameters, stride) for life in kept]
    others, num_others = other_metrics(archive, lives, kept)
    low, high, outside = domain(
        (score for life in kept for r in life.reports if (score := lives.score(r)) is not None),
        goal=archive.spec.objective.goal,
    )
    return {
        "metric": escaped(archive.spec.objective.metric),
        "lowerIsBetter": archive.spec.objective.goal is Goal.MINIMIZE,
        "target": archive.spec.objective.target,
        "totalSteps": archive.spec.schedule.total_steps,
        "domain": [low, high],
        "outside": outside,
        "members": archive.history.members,
        "axes": [_axis(h) for h in archive.spec.hyperparameters],
        "lives": entries,
        "best": None if best is None else [best.member, best.incarnation, best.step, best.score],
        "others": others,
        "shown": {
            "lives": len(kept),
            "ofLives": len(lives.all),
            "everyReport": stride,
            "ofOthers": num_others,
        },
    }


def keep(lives: Incarnations, *, winner: Collection[Life]) -> list[Incarnation]:
    """The lives that are drawn: all, or those with descendants today and an even sample of the others."""
    if len(lives.all) <= MAX_LIVES:
        return list(lives.all.values())
    needed = lives.surviving() | set(winner)
    others = [key for key in lives.all if key not in needed]
    room = max(0, MAX_LIVES - len(needed))
    sampled = {others[i * len(others) // room] for i in range(min(room, len(others)))}
    return [life for key, life in lives.all.items() if key in needed or key in sampled]


def lineage_keys(archive: Archive) -> list[Life]:
    """The winner's lineage, the first ancestor first; empty without a winner."""
    return [s.life for s in archive.lineage(archive.best)] if archive.best else []


def _life(
    life: Incarnation,
    lives: Incarnations,
    colours: dict[Life, int],
    space: tuple[Hyperparameter, ...],
    stride: int,
) -> Json:
    birth = life.birth
    origin = lives.origin(life)
    return {
        "m": birth.member,
        "i": birth.incarnation,
        "cause": birth.cause,
        "start": birth.start_step,
        "end": life.end,
        "reached": life.reached,
        "parent": list(life.parent) if life.parent else None,
        "origin": list(origin) if origin else None,
        "ancestor": list(life.ancestor) if life.ancestor else None,
        "colour": colours.get(life.ancestor, -1) if life.ancestor else -1,
        "replaced": lives.replaced(life),
        "current": lives.current.get(birth.member) is life,
        "points": thinned(life.reports, lives.metric, stride),
        "discarded": thinned(life.discarded, lives.metric, stride),
        "hp": [_plain(birth.hyperparameters.get(h.name)) for h in space],
        "why": escaped(birth.reason[:MAX_REASON]),
    }


def _plain(value: Value | None) -> Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _axis(hyperparameter: Hyperparameter) -> Json:
    return {"name": hyperparameter.name, "explored": hyperparameter.explored, **hyperparameter.space.axis()}
