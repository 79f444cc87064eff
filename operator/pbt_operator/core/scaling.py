"""Which births the wished number of members asks for: the first ones, and what becomes of the members that leave."""

from collections.abc import Collection

from pbt_contract.records import Birth, Cause
from pbt_operator.core import births
from pbt_operator.core.births import Counters
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Standing
from pbt_operator.core.spec import Spec
from pbt_operator.core.standing import standing_of


def first_births(history: History, spec: Spec) -> list[Birth]:
    """The lines of a new population that are still to be opened."""
    return [births.first(spec, member=member) for member in unborn(history, spec)]


def unborn(history: History, spec: Spec) -> list[int]:
    """The members of a new population whose lines are still to be opened."""
    if history.decided > 0:
        return []
    return [member for member in range(spec.members) if history.newest_birth(member) is None]


def leaving(history: History, spec: Spec) -> list[int]:
    """The members that are scaled away and whose lines are still open."""
    found = []
    for member in history.members:
        birth = history.newest_birth(member)
        if member >= spec.members and birth is not None and not birth.cause.closes:
            found.append(member)
    return found


def removed(history: History, member: int) -> Birth:
    """The end of the line of a member that is scaled away."""
    newest = history.newest_birth(member)
    assert newest is not None, "it leaves"
    return births.closed(
        newest,
        cause=Cause.REMOVED,
        position=history.position(member),
        counters=Counters.carried(history, member),
        reason="scaled away",
    )


def rescue(history: History, spec: Spec, *, leaving: Collection[int]) -> Birth | None:
    """The birth by which the worst remaining slot takes over from a leaving member that holds the best score."""
    objective = spec.objective
    standings = {
        member: standing
        for member in history.members
        if (record := history.newest_record(member)) and (standing := standing_of(record, objective))
    }
    best = max(standings, key=lambda m: objective.utility(standings[m].score), default=None)
    remaining = [m for m in standings if m < spec.members and not history.has_ended(m)]
    if best is None or best not in leaving or not remaining or _is_rescued(standings[best], history, spec):
        return None
    worst = min(remaining, key=lambda m: objective.utility(standings[m].score))
    previous = history.newest_birth(worst)
    assert previous is not None, "it has a record"
    return births.rescued(
        previous,
        leaving=standings[best],
        number=history.decided,
        position=history.position(worst),
        counters=Counters.carried(history, worst),
    )


def _is_rescued(standing: Standing, history: History, spec: Spec) -> bool:
    """Whether a remaining member started from it already, before an interruption."""
    lines = (history.line(member) for member in range(spec.members))
    return any(line and line[-1].source == standing.source for line in lines)
