"""How far the search can get: the moves that a range takes, against how often a member is replaced."""

from collections.abc import Iterator
from statistics import mean
from typing import NamedTuple

from pbt_operator.core.rules import NoExploit
from pbt_operator.core.rules.round_view import share
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import SubPopulation, num_rounds_of


class Crossing(NamedTuple):
    """One range.

    Attributes:
        name: of the hyperparameter.
        moves: how many in one direction cross it.
        replacements: how often a member is replaced in the whole run, about.
    """

    name: str
    moves: float
    replacements: float

    @property
    def is_slow(self) -> bool:
        """Whether moves alone hardly leave the neighbourhood of what was drawn first."""
        return self.moves > 2 * self.replacements

    def __str__(self) -> str:
        moves, times = max(1, round(self.moves)), max(1, round(self.replacements))
        return (
            f"{self.name} takes about {moves} move{'' if moves == 1 else 's'} to cross its range, and a member is "
            f"replaced {'about' if self.replacements >= 1 else 'at most'} "
            f"{'once' if times == 1 else f'{times} times'} in the whole run"
        )


def doubt(spec: Spec) -> str | None:
    """What the explore says of a run of this length; None if nothing."""
    if isinstance(spec.exploit.rule, NoExploit):
        return None
    return spec.explore.doubt(max(_nums_of_rounds(spec)))


def crossings(spec: Spec) -> Iterator[Crossing]:
    """For each hyperparameter whose moves have one length all over its range."""
    if isinstance(spec.exploit.rule, NoExploit) or spec.members < 2:
        return
    each_round = share(spec.exploit.rule.donor_percent, spec.members) / spec.members
    replacements = each_round * mean(_nums_of_rounds(spec))
    for h in spec.hyperparameters:
        stride = spec.explore.stride(h.space) if h.explored else None
        if stride:
            yield Crossing(h.name, 1 / stride, replacements)


def _nums_of_rounds(spec: Spec) -> list[int]:
    """In how many rounds losers are replaced: those of each sub-population, or of the whole population."""
    whole = SubPopulation(horizon_percent=spec.exploit.horizon_percent)
    return [num_rounds_of(pace, spec.schedule) for pace in spec.sub_populations or (whole,)]
