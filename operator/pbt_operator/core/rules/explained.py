"""Which hyperparameters explain what lives gained, as far as the bandit's model can tell: when, and each by itself.

The model has one length for all numbers. So each hyperparameter is asked alone: how much likelier are the gains if it
matters, and nothing else does? That holds for gains under any explore; no decision follows from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import UNSET

from pbt_operator.core.round_record import Round
from pbt_operator.core.rules.candidates import Modelled, modelled
from pbt_operator.core.rules.choosing import FEWEST_GAINS
from pbt_operator.core.rules.gains import Gain, gains
from pbt_operator.core.rules.gaussian_process import indifferent, likelihoods
from pbt_operator.core.rules.round_view import RoundView

MOST = 64
"""Gains of one window: the cost grows with the third power, and they are looked at once for each hyperparameter."""
MOST_ROUNDS = 33
"""Of a window, the newest: as many as the bandit looks at."""
WINDOWS = 3


class Evidence(NamedTuple):
    """How much likelier gains are if something matters.

    Attributes:
        nats: as a logarithm; below 0 they are likelier if it doesn't.
        length: how far a number may move, of its range, until it tells little: under the likeliest setting. None where
            nothing that matters is a number.
    """

    nats: float
    length: float | None


class Window(NamedTuple):
    """Some rounds after one another.

    Attributes:
        first: the number of the first one that is looked at.
        last: of the last one.
        gains: how many are explained.
        alone: by hyperparameter, the evidence that it matters alone; those that are never explored, or have no place
            in the model, are left out.
        together: that all of them matter.
    """

    first: int
    last: int
    gains: int
    alone: dict[str, Evidence]
    together: Evidence


def explained(view: RoundView, rounds: Sequence[Round], *, windows: int = WINDOWS) -> list[Window]:
    """What explains the gains, in windows of equally many rounds; those with too few gains are left out.

    Args:
        view: of any of the rounds: what is searched, and for what.
        rounds: the decided ones, ascending.
        windows: how many.
    """
    known = modelled(view.space)
    if not known.all or not rounds:
        return []
    size = -(-len(rounds) // windows)
    parts = [rounds[start : start + size] for start in range(0, len(rounds), size)]
    found = (_window(view, part, known) for part in parts)
    return [window for window in found if window is not None]


def _window(view: RoundView, rounds: Sequence[Round], known: Modelled) -> Window | None:
    *earlier, newest = rounds[-MOST_ROUNDS:]
    crashed = () if newest.crashed is UNSET else newest.crashed
    seen = replace(view, number=newest.number, entries=newest.entries, earlier=earlier, crashed=crashed)
    told = gains(seen, known.all)
    told = told[:: -(-len(told) // MOST)] if told else []
    if len(told) < FEWEST_GAINS:
        return None
    alone = {h.name: _evidence(told, modelled([h])) for h in known.all}
    together = _evidence(told, known)
    return Window((earlier or [newest])[0].number, newest.number, len(told), alone, together)


def _evidence(told: Sequence[Gain], known: Modelled) -> Evidence:
    sizes = tuple(gain.size for gain in told)
    found = likelihoods(tuple(known.point(gain.number, gain.values) for gain in told), sizes)
    best = max(found, key=found.__getitem__)
    return Evidence(found[best] - indifferent(sizes), best.length if known.numbers else None)
