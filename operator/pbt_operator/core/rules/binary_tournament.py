"""The exploit in which each member meets one other."""

from collections.abc import Iterator

from pbt_operator.core.rules.duel import duels_lost, lost_to
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import ExploitRule, Loser


class BinaryTournament(ExploitRule):
    """Each member draws another one and copies it if that one is better. Write `binaryTournament: {}`."""

    def beaten(self, view: RoundView) -> Iterator[Loser]:
        """Whoever lost the duel with its rival, which is its donor."""
        for entry, rival in duels_lost(view):
            yield lost_to(rival, entry)
