"""The audit of sub-populations: how they stand in a round follows from the round before."""

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from pbt_operator.core.round_record import Round, Turn
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import planned, settled_in
from pbt_operator.records.archive import Archive


def turn_faults(decided: Round, previous: Round | None, spec: Spec, archive: Archive) -> Iterator[str]:
    """What is wrong with how a round says that its sub-populations stand.

    Of two operators at once, one may decide a round before it has heard of the other's newest: it planned after one
    that it knew, or after none. How many members of each lived then, no record says, so a merge is believed; but not
    that one is undone.
    """
    turns = decided.sub_populations
    if turns is UNSET or not spec.sub_populations:
        if (turns is UNSET) == bool(spec.sub_populations):
            yield f"it has {'no' if turns is UNSET else 'some'} sub-populations, and its spec has others"
        return
    if len(turns) != len(spec.sub_populations):
        yield f"it has {len(turns)} sub-populations; should have {len(spec.sub_populations)}"
        return
    known = [previous, None, *(one for one in archive.rounds if one.number < decided.number)]
    plans = (planned(newest, spec.sub_populations, spec.schedule) for newest in known)
    if not any(_follows(turns, plan) for plan in plans):
        yield "its sub-populations don't stand as the round before left them"
    for number, turn in enumerate(turns):
        there = sum(entry.sub_population == number for entry in decided.entries)
        if turn.into is not UNSET and turns[settled_in(number, turns)].into is not UNSET:
            yield f"its sub-population {number} is merged into none that is left"
        is_time = decided.number >= turn.due and spec.schedule.decides(decided.number)
        if turn.decides and (turn.into is not UNSET or not is_time or there < 2):
            yield f"its sub-population {number} decides, and may not"


def _follows(turns: Sequence[Turn], plan: Sequence[Turn]) -> bool:
    """Whether they stand as planned, but for who decides and who is merged from now on."""
    return all(
        (turn.since, turn.due) == (before.since, before.due) and before.into in {UNSET, turn.into}
        for turn, before in zip(turns, plan, strict=True)
    )
