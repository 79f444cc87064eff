"""Which checkpoints stay: what an unfinished birth needs, all from the newest round on, the newest few, the best."""

from collections.abc import Iterable

from pbt_contract import keys
from pbt_contract.errors import KeyRefused
from pbt_contract.records import Report, Source
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.core.standing import standing_of

Place = tuple[int, int, int]
"""Member, incarnation and step of a checkpoint."""


def kept(history: History, spec: Spec) -> set[Place]:
    """The checkpoints that stay, by place."""
    places: set[Place] = set()
    decided = spec.schedule.step_of(history.decided)
    best = history.best(spec.objective)
    if best is not None:
        places.add(_place(best.source))
    if history.newest_round is not None:
        places |= {_place(entry.source) for entry in history.newest_round.entries}
    for member in history.members:
        places |= {_place(birth.source) for birth in history.line(member) if birth.source is not None}
        counting = history.counting(member)
        newest = list(dict.fromkeys(_place(record) for record in counting))  # a last word shares its report's
        places |= set(newest[-spec.retention.checkpoints_per_member :])
        places |= {_place(r) for r in counting if r.round is not None and r.round >= history.decided}
        places |= {_place(report) for report in history.line_reports(member)[-1:]}  # it may be the final one
        # To go back to, should everybody diverge: what was reported ahead of the decisions is no such place yet.
        finite = [
            r for r in history.line_records(member) if r.step <= decided and standing_of(r, spec.objective)
        ]
        places |= {_place(record) for record in finite[-1:]}
    return places


def doomed(names: Iterable[str], *, history: History, spec: Spec) -> list[str]:
    """Of the keys below `checkpoints/`, those to delete.

    What dead incarnations left unrecorded is among them, what a current one may be uploading just now is not. Nothing
    past the newest round is: another operator may not know of a birth yet, and decide about what came before it.
    """
    stays = kept(history, spec)
    decided = spec.schedule.step_of(history.decided)
    return [
        key
        for key in names
        if (place := _place_in(key))
        and place not in stays
        and place[2] <= decided
        and not _open(place, history)
    ]


def unread_saves(gone: Iterable[str], *, history: History, spec: Spec) -> list[str]:
    """Records to look for before these keys are deleted: saves that would be among a member's newest few.

    An operator that was started lately has read no saves between two reports.
    """
    most, found = spec.retention.checkpoints_per_member, set()
    for place in sorted({place for key in gone if (place := _place_in(key))}):
        member, incarnation, step = place
        known = sorted({_place(record)[1:] for record in history.counting(member)})
        if place[1:] not in known and place[1:] > (known[-most] if len(known) >= most else (0, 0)):
            found.add(keys.save(member, incarnation, step))
    return sorted(found)


def _open(place: Place, history: History) -> bool:
    """Whether somebody may be writing this checkpoint: the current incarnation of a member, or one that isn't known.

    Another operator has ordered the latter, and it may be needed before this one hears of it.
    """
    member, incarnation, step = place
    newest, record = history.newest_birth(member), history.newest_record(member)
    if newest is None or incarnation > newest.incarnation:
        return True
    return incarnation == newest.incarnation and (record is None or step > record.step)


def _place(of: Source | Report) -> Place:
    return (of.member, of.incarnation, of.step)


def _place_in(key: str) -> Place | None:
    """The place that a key speaks of; None if no trainer made it, and then it isn't ours to delete."""
    try:
        _, life, checkpoint, *_ = key.split("/")
        return (*keys.parse_life(life), int(checkpoint.split("-")[0]))
    except (ValueError, KeyRefused):
        return None
