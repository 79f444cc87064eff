"""Why newborns have the hyperparameters that they have, round by round."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import UNSET

from pbt_operator.core.round_record import Decision, Round


class Origin(StrEnum):
    """Where one value comes from."""

    MOVED = "moved"
    RESAMPLED = "resampled"
    CHOSEN = "chosen"
    KEPT = "kept"
    COMPLETED = "completed"


_BY_WORD = {str(each): each for each in Origin}


class ValueOrigins(NamedTuple):
    """Of the newborns of one round.

    Attributes:
        number: of the round.
        step: of the same.
        newborns: how many members were replaced.
        migrated: how many of them took their weights from another sub-population.
        values: how many of their values come from where.
        evidence: by how much likelier the gains were where hyperparameters matter, in nats; None where no model was
            asked, or it had too few gains.
        gains: how many the model looked at.
    """

    number: int
    step: int
    newborns: int
    migrated: int
    values: Mapping[Origin, int]
    evidence: float | None
    gains: int


def value_origins(rounds: Iterable[Round]) -> list[ValueOrigins]:
    """Those of the rounds in which somebody was replaced."""
    return [_of(decided) for decided in rounds if decided.decisions]


def _of(decided: Round) -> ValueOrigins:
    values: Counter[Origin] = Counter()
    for decision in decided.decisions:
        values.update(map(origin, _operations(decision)))
    evidence, gains = _model_of(decided)
    return ValueOrigins(
        number=decided.number,
        step=decided.step,
        newborns=len(decided.decisions),
        migrated=sum(decision.migrated is True for decision in decided.decisions),
        values={each: values[each] for each in Origin if values[each]},
        evidence=evidence,
        gains=gains,
    )


def _operations(decision: Decision) -> Iterable[str]:
    return (decision.operations.get(name, Origin.KEPT) for name in decision.hyperparameters)


def origin(operation: str) -> Origin:
    """What an operation is: a word of its own, or how a value moved, such as `x1.25` or `to the next`."""
    return _BY_WORD.get(operation, Origin.MOVED)


def _model_of(decided: Round) -> tuple[float | None, int]:
    """What an explore that learns said of its evidence; a record may hold anything there."""
    moves = [] if decided.recorded is UNSET else decided.recorded.explore
    found = [move.inputs.get("evidence") for move in moves]
    evidence = next((float(each) for each in found if isinstance(each, int | float)), None)
    counts = [move.inputs.get("gains") for move in moves]
    return evidence, next((each for each in counts if isinstance(each, int)), 0)
