"""What a rule sees: the round that is compared, those before it, and what is searched for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from pbt_operator.core.chance import chance
from pbt_operator.core.horizon import replaces_often
from pbt_operator.core.ranking import rank
from pbt_operator.core.round_record import Crashed, Entry, Round
from pbt_operator.core.search import Hyperparameter, Objective, Schedule


@dataclass(frozen=True)
class RoundView:
    """One snapshot, which all decisions of a round follow from.

    Attributes:
        number: of the round.
        entries: the ready reports that are compared, one for each member, in any order.
        earlier: the newest decided rounds before this one, the oldest first. Together with this round they are at
            most as many as the rule declares; fewer where there are no more.
        space: what is searched, one hyperparameter after the other.
        min_gap: how much better a donor's score must be, beyond strictly better.
        due: from which round on losers are replaced again.
        horizon_percent: after which share of the rounds that are left losers are replaced again; 0 in every round.
        crashed: the lives that crashed since the decided round before this one.
    """

    number: int
    entries: Sequence[Entry]
    earlier: Sequence[Round]
    objective: Objective
    schedule: Schedule
    space: tuple[Hyperparameter, ...]
    seed: int
    min_gap: float
    due: int = 0
    horizon_percent: int = 0
    crashed: Sequence[Crashed] = ()

    @property
    def decides(self) -> bool:
        """Whether losers are replaced: after burn-in, before the end, and not before it is due."""
        return self.number >= self.due and self.schedule.decides(self.number)

    def replaces_often(self, times: int) -> bool:
        """Whether the whole run has so many rounds in which losers are replaced, where none is skipped."""
        return replaces_often(times, self.horizon_percent, self.schedule)

    @cached_property
    def finite(self) -> Sequence[Entry]:
        """The members with a finite score, the best first; ties by a seeded draw."""
        ranked = rank(self.entries, objective=self.objective, seed=self.seed, round_number=self.number)
        return [entry for entry in ranked if entry.score is not None]

    def best(self, percent: float) -> Sequence[Entry]:
        """The best `percent` of the finite, the best first: at least one, if anyone has a finite score."""
        return self.finite[: max(1, share(percent, len(self.finite)))]

    def is_better(self, donor: Entry, entry: Entry) -> bool:
        """Whether `donor` has a score that `entry` may be replaced for."""
        if donor.score is None or entry.score is None:
            return donor.score is not None
        utility = self.objective.utility
        return utility(donor.score) - utility(entry.score) > self.min_gap

    def chance(self, member: int, purpose: str) -> Random:
        """The generator of one purpose of one member in this round: all that a rule may draw from."""
        return chance(self.seed, self.number, member, purpose)

    def looking_back(self, rounds: int) -> "RoundView":
        """This view for a rule that looks at so many rounds, this one included."""
        if len(self.earlier) < rounds:
            return self
        return replace(self, earlier=self.earlier[len(self.earlier) - rounds + 1 :])


def share(percent: float, number: int) -> int:
    """`percent` of `number`, rounded up; at most half, so that the worst and the best never overlap."""
    return min(math.ceil(percent * number / 100), number // 2)


def score_text(entry: Entry) -> str:
    """The score of an entry that has a finite one, as a reason tells it."""
    return f"{entry.score:.6g}"
