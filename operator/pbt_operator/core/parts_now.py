"""How the sub-populations stand, for the status."""

from msgspec import UNSET, UnsetType

from pbt_contract.records import Birth
from pbt_operator.core.history import History
from pbt_operator.core.membership import sizes_of
from pbt_operator.core.part_status import PartStatus
from pbt_operator.core.round_record import Turn
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import belongs, planned


def part_now(history: History, spec: Spec, birth: Birth) -> int | UnsetType:
    """The number of the sub-population that a member belongs to now, by its newest birth."""
    if not spec.sub_populations:
        return UNSET
    return belongs(birth, planned(history.newest_round, spec.sub_populations, spec.schedule))


def part_statuses(history: History, spec: Spec, *, ended: bool) -> list[PartStatus]:
    """All of them, the merged ones included; `ended`: nobody is replaced any more."""
    turns = planned(history.newest_round, spec.sub_populations, spec.schedule)
    sizes = sizes_of(history, spec, turns)
    best: dict[int, float] = {}
    for member in history.members:
        birth, score = history.newest_birth(member), history.score(member, spec.objective)
        if birth is not None and score is not None and not birth.cause.closes:
            number = belongs(birth, turns)
            best[number] = max(best.get(number, score), score, key=spec.objective.utility)
    return [
        PartStatus(
            pace=str(part),
            members=sizes[number],
            due=UNSET if ended else _due(turn, history, spec),
            into=turn.into,
            score=best.get(number),
        )
        for number, (part, turn) in enumerate(zip(spec.sub_populations, turns, strict=True))
    ]


def _due(turn: Turn, history: History, spec: Spec) -> int | UnsetType:
    """In which round its losers are replaced next; one that was due and lacked its quorum, in the next one."""
    if turn.into is not UNSET:
        return UNSET
    schedule = spec.schedule
    number = max(turn.due, history.decided + 1)
    while number < schedule.last_round and not schedule.decides(number):  # it is within burn-in
        number += 1
    return number if number < schedule.last_round else UNSET
