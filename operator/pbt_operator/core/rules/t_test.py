"""The exploit in which each member meets one other, and significance decides."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from pbt_operator.core.round_record import Decision, Entry
from pbt_operator.core.rules.duel import duels_lost, lost_to
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import ExploitRule, Loser
from pbt_operator.core.rules.welch import welch
from pbt_operator.core.wire import Real


class TTest(ExploitRule):
    """Each member draws another one and copies it if its evaluations are better by Welch's t-test."""

    p_value: Real = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="The significance that is asked for. The trainer has to report lists of at least two "
        "evaluations.",
    )

    def beaten(self, view: RoundView) -> Iterator[Loser]:
        """Whoever lost the duel with its rival beyond doubt."""
        for entry, rival in duels_lost(view):
            p_value = _p_value(view, rival, entry)
            if p_value < self.p_value:
                yield lost_to(rival, entry, more=f" with p = {p_value:.2g}")

    def laws(self, view: RoundView, decisions: Sequence[Decision]) -> Iterator[str]:
        """A donor's evaluations are better beyond doubt."""
        finite = {entry.member: entry for entry in view.finite}
        for decision in decisions:
            donor = finite.get(decision.source.member) if decision.source else None
            loser = finite.get(decision.member)
            if donor is None or loser is None or donor is loser:
                continue
            p_value = _p_value(view, donor, loser)
            if p_value >= self.p_value:
                yield f"member {decision.member} lost to member {donor.member} with p = {p_value:.2g}"


def _p_value(view: RoundView, better: Entry, worse: Entry) -> float:
    utility = view.objective.utility
    return welch([*map(utility, better.values)], [*map(utility, worse.values)])
