"""Who migrates between sub-populations in a round, and what it takes along.

After Multiple-Frequencies PBT (Doulazmi et al. 2025, arXiv 2506.03225): where losers of a part are replaced, members of
its third quarter may take the weights of better members of other parts. What came off in a slower one has shown itself
in the long run: its hyperparameters come with it. Those of a faster one are the greedy ones: a migrant from there goes
on with the hyperparameters of the best of its own part. Nothing is explored on the way.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from pbt_contract.records import Cause, Value
from pbt_operator.core.round_record import Decision, Entry, Turn
from pbt_operator.core.rules import RoundView
from pbt_operator.core.rules.round_view import score_text
from pbt_operator.core.search import Hyperparameter
from pbt_operator.core.sub_populations import MIN_MEMBERS, span


class Migrant(NamedTuple):
    """A member that is replaced by a mix of two others.

    Attributes:
        weights_of: a member of another part.
        values_of: the same one, or the best of the migrant's own part.
    """

    entry: Entry
    weights_of: Entry
    values_of: Entry


def migrants(
    part: int, own: Sequence[Entry], *, view: RoundView, turns: Sequence[Turn], losers: Collection[int]
) -> Iterator[Migrant]:
    """The migrants into one part whose losers are replaced in this round, the best one first.

    Args:
        part: its number.
        own: its members with a finite score, the best first.
        view: the whole round.
        turns: of all parts.
        losers: its members that are replaced already.
    """
    num = len(own)
    if num < MIN_MEMBERS:
        return
    outsiders = [entry for entry in view.finite if entry.sub_population != part]
    for entry in own[2 * num // 4 : 3 * num // 4]:
        if entry.member in losers or entry.stays or not outsiders:
            continue
        best = outsiders[0]
        if not view.is_better(best, entry):
            continue
        del outsiders[0]
        is_slower = span(turns[_part_of(best)], view.number) > span(turns[part], view.number)
        yield Migrant(entry, weights_of=best, values_of=best if is_slower else own[0])


def _part_of(entry: Entry) -> int:
    assert isinstance(entry.sub_population, int), "every entry of such a round says it"
    return entry.sub_population


def migrate(migrant: Migrant, *, view: RoundView, copies_values: bool) -> Decision:
    """What is decided about a migrant.

    What is never explored may shape the weights: it goes with them. What is missing then or outside its space is drawn.

    Args:
        migrant: who.
        view: the whole round.
        copies_values: whether it takes hyperparameters; else it keeps its own.
    """
    entry, weights_of, _ = migrant
    values_of = migrant.values_of if copies_values else entry
    given = {
        h.name: value
        for h in view.space
        if (value := (values_of if h.explored else weights_of).hyperparameters.get(h.name)) is not None
    }
    values, operations = _completed(given, view.space, view, entry.member)
    if values_of is entry:
        told = "keeps its hyperparameters"
    else:
        told = f"takes the hyperparameters of member {values_of.member}"
    return Decision(
        member=entry.member,
        incarnation=entry.incarnation,
        cause=Cause.EXPLOIT,
        source=weights_of.source,
        hyperparameters=values,
        operations=operations,
        reason=f"{score_text(entry)} is in the third quarter of sub-population {entry.sub_population}; migrates: "
        f"takes the weights of member {weights_of.member} of sub-population {weights_of.sub_population} "
        f"({score_text(weights_of)}), {told}",
        migrated=True,
    )


def _completed(
    given: Mapping[str, Value], space: Sequence[Hyperparameter], view: RoundView, member: int
) -> tuple[dict[str, Value], dict[str, str]]:
    values: dict[str, Value] = {}
    operations: dict[str, str] = {}
    for h in space:
        value = given.get(h.name)
        if value is not None and h.space.contains(value):
            values[h.name], operations[h.name] = h.space.typed(value), "kept"
        else:
            rng = view.chance(member, f"migrate/{h.name}")
            values[h.name], operations[h.name] = h.space.sample(rng), "completed"
    return values, operations
