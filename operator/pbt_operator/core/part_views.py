"""What is seen of one sub-population in a round."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import UNSET, UnsetType

from pbt_operator.core.round_record import Entry, Turn
from pbt_operator.core.rules import RoundView


def deciding(view: RoundView, turns: Sequence[Turn]) -> Iterator[tuple[int, RoundView]]:
    """The sub-populations whose losers are replaced in a round: their numbers, and what is seen of each."""
    for number, turn in enumerate(turns):
        if turn.decides and turn.into is UNSET:
            yield number, replace(view, entries=[e for e in view.entries if e.sub_population == number])


def kin(part: int | UnsetType, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Those that belong to a sub-population, if one of them has a finite score; else all."""
    own = [entry for entry in entries if entry.sub_population == part]
    return own if any(entry.score is not None for entry in own) else entries
