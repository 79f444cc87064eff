"""What decided rounds tell about hyperparameters: how much each life gained with them, beside the others of its round.

What all members gain at a step tells nothing about the values of one, so gains are centred and scaled within a round.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET

from pbt_contract.keys import Life
from pbt_contract.records import Value
from pbt_operator.core.round_record import Crashed, Decision, Entry, Round
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.search import Hyperparameter

MOST_GAINS = 128
"""What a model learns from: its cost grows with the third power."""
FURTHEST = 2.0
"""Standard deviations beyond which a gain counts as so many: one lucky life isn't to hide the others."""
PENALTY = 1.0
"""Standard deviations below the worst gain of its round at which a life counts that ended without a score."""


class Gain(NamedTuple):
    """One life in one round.

    Attributes:
        number: of the round.
        values: the life's hyperparameters.
        size: in standard deviations of the round's gains, from their mean.
    """

    number: int
    values: Mapping[str, Value]
    size: float


class _Compared(NamedTuple):
    number: int
    entries: Sequence[Entry]
    crashed: Sequence[Crashed]


def gains(view: RoundView, space: Sequence[Hyperparameter]) -> list[Gain]:
    """The newest ones, `MOST_GAINS` at the most; of a round that has more than there is room for, a sample.

    Args:
        view: of the round that is decided, whose gains are the newest.
        space: the hyperparameters that matter; a life with a value outside of it is left out.
    """
    found: list[Gain] = []
    counted: set[Life] = set()  # two operators at once may both say of a life that it crashed
    after = _Compared(view.number, view.entries, view.crashed)
    for before in [*reversed(view.earlier), None]:
        after = after._replace(crashed=[crashed for crashed in after.crashed if crashed.life not in counted])
        counted.update(crashed.life for crashed in after.crashed)
        told = [gain for gain in _told(before, after, view) if _lies_in(gain.values, space)]
        room = MOST_GAINS - len(found)
        if len(told) > room:
            chosen = view.chance(0, f"explore/gains/{after.number}").sample(range(len(told)), room)
            told = [told[index] for index in sorted(chosen)]
        found += told
        if before is None:
            break
        after = _Compared(before.number, before.entries, () if before.crashed is UNSET else before.crashed)
    return found


def _told(before: Round | None, after: _Compared, view: RoundView) -> Iterator[Gain]:
    """What the reports of a round say against those of the decided round before it; None where none is known.

    Then they say of those only that failed with the values that they began with.
    """
    lives: list[Entry] = []
    raw: list[float] = []
    failed: list[Mapping[str, Value]] = []
    compared = {} if before is None else {entry.member: entry for entry in before.entries}
    decisions = {} if before is None else {decision.member: decision for decision in before.decisions}
    for entry in after.entries:
        if before is None and entry.incarnation == 1 and entry.score is None and entry.unscored is not True:
            failed.append(entry.hyperparameters)
        start = _start(entry, compared, decisions.get(entry.member))
        if start is None or entry.unscored is True:
            continue
        if entry.score is None:
            failed.append(entry.hyperparameters)
            continue
        gain = view.objective.utility(entry.score) - view.objective.utility(start)
        if math.isfinite(gain):
            lives.append(entry)
            raw.append(gain)
    failed += [crashed.hyperparameters for crashed in after.crashed if crashed.blamed]
    sizes = standardised(raw)
    for entry, size in zip(lives, sizes, strict=True):
        yield Gain(after.number, entry.hyperparameters, size)
    below = min(sizes, default=0.0) - PENALTY
    for values in failed:
        yield Gain(after.number, values, below)


def _start(entry: Entry, compared: Mapping[int, Entry], decision: Decision | None) -> float | None:
    """The score that an entry's life began its interval with; None where the two rounds don't say that."""
    own = compared.get(entry.member)
    if decision is None or entry.incarnation <= decision.incarnation:
        goes_on = own is not None and own.hyperparameters == entry.hyperparameters
        return own.score if own is not None and goes_on else None
    if decision.source is None or decision.hyperparameters != entry.hyperparameters:
        return None  # born again since, from something else
    donor = compared.get(decision.source.member)
    return donor.score if donor is not None and donor.source == decision.source else None


def standardised(raw: Sequence[float]) -> list[float]:
    """Finite numbers in standard deviations from their mean; zeros where they don't differ beyond rounding."""
    largest = max(map(abs, raw), default=0.0)
    if not largest:
        return [0.0] * len(raw)
    scaled = [gain / largest for gain in raw]  # so that no sum is infinite
    mean = math.fsum(scaled) / len(scaled)
    deviation = math.sqrt(math.fsum((gain - mean) ** 2 for gain in scaled) / len(scaled))
    if deviation <= 1e-12:
        return [0.0] * len(raw)
    return [min(max((gain - mean) / deviation, -FURTHEST), FURTHEST) for gain in scaled]


def _lies_in(values: Mapping[str, Value], space: Sequence[Hyperparameter]) -> bool:
    return all(h.name in values and h.space.contains(values[h.name]) for h in space)
