"""What is told of a report when it is new, and no decision looks at: so little is kept of it until it is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UnsetType

from pbt_contract.records import Birth, Ending, Report, Value
from pbt_contract.stores.parts import requests_of
from pbt_contract.text import quoted

MAX_NOTES, MAX_NOTE = 8, 500  # the whole stays in the record


@dataclass(frozen=True, slots=True)
class News:
    """Of one report or save.

    Attributes:
        member, incarnation, step, round, ending: as it says.
        seconds: that it took to train for it.
        writes: requests that it took to store it, its checkpoint included.
        notes: for people, safe to show.
        unlike: by hyperparameter, what the optimizer uses in all its groups where that isn't what was assigned.
    """

    member: int
    incarnation: int
    step: int
    round: int | None
    ending: Ending | UnsetType
    seconds: float
    writes: int
    notes: tuple[str, ...]
    unlike: Mapping[str, Value]


def news_of(report: Report, birth: Birth) -> News:
    """What is told of a report of that birth."""
    used = {name: _one(report.effective.get(name)) for name in birth.hyperparameters}
    return News(
        member=report.member,
        incarnation=report.incarnation,
        step=report.step,
        round=report.round,
        ending=report.ending,
        seconds=report.seconds,
        writes=1 + sum(requests_of(file.size) for file in report.files),
        notes=tuple(quoted(note, size=MAX_NOTE) for note in report.notes[:MAX_NOTES]),
        unlike={
            name: value
            for name, value in used.items()
            if value is not None and value != birth.hyperparameters[name]
        },
    )


def _one(used: Value | list[Value] | None) -> Value | None:
    """What is in use in every group; None where groups differ, or nothing is known."""
    if not isinstance(used, list):
        return used
    return used[0] if used and all(one == used[0] for one in used) else None
