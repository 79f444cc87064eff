"""The exploit that is the default: the worst copy the best."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import Field

from pbt_contract.records import Cause
from pbt_operator.core.round_record import Decision, Entry
from pbt_operator.core.rules.round_view import RoundView, score_text, share
from pbt_operator.core.rules.rule import ExploitRule, Loser
from pbt_operator.core.wire import Whole


class Truncation(ExploitRule):
    """The worst members copy the best ones. This is the default."""

    percent: Whole = Field(
        default=25,
        ge=1,
        le=50,
        description="The share of the members that is replaced in a round, rounded up; the donors are drawn from "
        "as many of the best. Example: 25 of 8 members replaces the worst 2 by copies of the best 2.",
    )

    @property
    def donor_percent(self) -> float:
        """As many of the best as are replaced."""
        return self.percent

    def beaten(self, view: RoundView) -> Iterator[Loser]:
        """The worst `percent`, each with those of the best as many that are better than it."""
        finite = view.finite
        num_worst = share(self.percent, len(finite))
        best = finite[:num_worst]
        for entry in finite[len(finite) - num_worst :]:
            # The best come first: all up to the first one that isn't better.
            num_better = bisect_left(best, 1, key=partial(_is_no_better, entry=entry, view=view))
            if num_better:
                why = f"{score_text(entry)} is among the worst {num_worst} of {len(finite)}"
                yield Loser(entry, best[:num_better], why)

    def beaten_within(self, view: RoundView) -> Iterator[Loser]:
        """The k-th of the worst copies the k-th of the best, if that is better: nobody is copied twice.

        So Multiple-Frequencies PBT keeps a small part diverse (Doulazmi et al. 2025). The share is rounded down, so
        that those between the brackets can migrate.
        """
        finite = view.finite
        num = min(max(1, self.percent * len(finite) // 100), len(finite) // 2)
        for donor, entry in zip(finite[:num], finite[len(finite) - num :], strict=True):
            if view.is_better(donor, entry):
                why = f"{score_text(entry)} is among the worst {num} of {len(finite)} of its sub-population"
                yield Loser(entry, [donor], why)

    def laws(self, view: RoundView, decisions: Sequence[Decision]) -> Iterator[str]:
        """Losers are among the worst, donors among the best, and nobody is both."""
        num_worst = share(self.percent, len(view.finite))
        worst = _members(view.finite[len(view.finite) - num_worst :])
        best = _members(view.finite[:num_worst])
        finite = _members(view.finite)
        for decision in decisions:
            if decision.cause is not Cause.EXPLOIT or decision.member not in finite:
                continue
            if decision.member not in worst:
                yield f"member {decision.member} lost, and is not among the worst {num_worst}"
            donor = decision.source.member if decision.source else decision.member
            if donor not in best | {decision.member}:
                yield f"member {donor} is copied, and is not among the best {num_worst}"


def _is_no_better(donor: Entry, *, entry: Entry, view: RoundView) -> bool:
    return not view.is_better(donor, entry)


def _members(entries: Sequence[Entry]) -> set[int]:
    return {entry.member for entry in entries}
