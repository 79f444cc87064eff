"""How scored checkpoints are ranked over the whole life of a population, not within a round."""

from collections.abc import Iterable

from pbt_contract.records import Report
from pbt_operator.core.round_record import Standing
from pbt_operator.core.search import Objective


def standing_of(record: Report, objective: Objective) -> Standing | None:
    """A report as a scored checkpoint; None if its score isn't finite."""
    score = record.score(objective.metric)
    if score is None:
        return None
    return Standing(
        member=record.member,
        incarnation=record.incarnation,
        step=record.step,
        score=score,
        hyperparameters=record.hyperparameters,
        source=record.source,
    )


def rank_of(standing: Standing, objective: Objective) -> tuple[float, int, int, int]:
    """The best first; of equals the earliest step, then the lowest member."""
    return (-objective.utility(standing.score), standing.step, standing.member, standing.incarnation)


def best_among(records: Iterable[Report], objective: Objective) -> tuple[int, Standing] | None:
    """The best report, and its round; saves have none and don't count."""
    found = [
        (record.round, standing)
        for record in records
        if record.round is not None and (standing := standing_of(record, objective)) is not None
    ]
    return min(found, key=lambda one: rank_of(one[1], objective), default=None)
