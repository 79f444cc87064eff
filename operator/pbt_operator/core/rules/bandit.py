"""The explore that learns: a model of what paid off in recorded rounds chooses a newborn's hyperparameters.

The idea is that of Population Based Bandits (Parker-Holder et al. 2020): a Gaussian process that forgets says what
values gain, the losers of a round choose one after the other by upper confidence bound, and each takes what those
before it chose for tried (GP-BUCB). Two things differ. Gains are compared within their round, which needs members that
report at the same steps. And it chooses only where the gains show that hyperparameters matter: without that test it
follows the noise of evaluations, and ends below random search.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pbt_contract.records import Value
from pbt_operator.core.distributions import Distribution
from pbt_operator.core.round_record import Decision, ProposedMove
from pbt_operator.core.rules.gains import MOST_GAINS
from pbt_operator.core.rules.perturb import Perturb
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import Move, Mover, Replay

if TYPE_CHECKING:
    from pbt_operator.core.rules.choosing import Choices

FEWEST_ROUNDS = 10
"""Of those that replace losers in a whole run: with fewer, what pays off is known too late."""


class Bandit(Perturb):
    """A model of what paid off in earlier rounds chooses all values, where there is evidence that they matter.

    It looks at up to 128 gains of the newest rounds, and counts values with which members crashed or diverged as bad
    ones. Without evidence, and in a run with fewer than 10 rounds that replace losers, the fields below move values.
    For optima that move and evaluations with little noise.
    """

    rounds: ClassVar = 33
    replay: ClassVar = Replay.RECORDED

    def looks_back(self, members: int) -> int:
        """As many as have enough gains where nobody misses a round: one more, for a gain takes two."""
        return min(self.rounds, -(-MOST_GAINS // members) + 1)

    def stride(self, space: Distribution) -> float | None:  # noqa: ARG002
        """A choice may lie anywhere."""
        return None

    def doubt(self, replacing: int) -> str | None:
        """In a short run it never chooses."""
        if replacing >= FEWEST_ROUNDS:
            return None
        return (
            f"explore.bandit never chooses: it takes {FEWEST_ROUNDS} rounds that replace losers, and the whole run has "
            f"{replacing}; more rounds would help, or a smaller exploit.horizonPercent"
        )

    def move(self, copied: Mapping[str, Value], *, member: int, view: RoundView) -> Move:
        """As the first of its round."""
        return self.mover(view)(copied, member=member)

    def mover(self, view: RoundView) -> Mover:
        """Chooses for one loser after the other."""
        return self._choices(view)

    def _choices(self, view: RoundView) -> "Choices":
        # Imports numpy: what asks no bandit starts without it.
        from pbt_operator.core.rules.choosing import Choices

        return Choices(view, learns=view.replaces_often(FEWEST_ROUNDS), otherwise=super().move)

    def verify_moves(self, view: RoundView, moves: Sequence[ProposedMove]) -> Iterator[str]:
        """Whether each choice promises as much as any other, given those before it."""
        choices = self._choices(view)
        for proposed in moves:
            fault = choices.fault(proposed)
            if fault is not None:
                yield f"its move of member {proposed.member} {fault}"

    def laws(self, view: RoundView, decisions: Sequence[Decision]) -> Iterator[str]:  # noqa: ARG002
        """None of its own: which values were chosen, and which moved, only the round's record says."""
        return iter(())
