"""What the tournaments share: each member meets another one, drawn for it."""

from collections.abc import Iterator

from pbt_operator.core.round_record import Entry
from pbt_operator.core.rules.round_view import RoundView, score_text
from pbt_operator.core.rules.rule import Loser


def duels_lost(view: RoundView) -> Iterator[tuple[Entry, Entry]]:
    """Each member whose rival is better, with that rival; a rival can lose a duel of its own."""
    if len(view.finite) < 2:
        return
    for entry in view.finite:
        first, second = view.chance(entry.member, "rival").sample(view.finite, 2)
        rival = second if first is entry else first
        if view.is_better(rival, entry):
            yield entry, rival


def lost_to(rival: Entry, entry: Entry, *, more: str = "") -> Loser:
    """The loser of a duel, which can copy nobody but its rival."""
    return Loser(
        entry, [rival], f"{score_text(entry)} lost to member {rival.member} ({score_text(rival)}){more}"
    )
