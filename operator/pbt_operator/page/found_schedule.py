"""The winner's hyperparameter schedule: PBT's result beside the weights, for people and for programs."""

import yaml

from pbt_contract.records import Count, Record, Value
from pbt_operator.core.lineage import schedule
from pbt_operator.records.archive import Archive


class Span(Record, frozen=True, kw_only=True):
    """The values of some steps, the first and the last included."""

    first_step: Count
    last_step: Count
    hyperparameters: dict[str, Value]


class FoundSchedule(Record, frozen=True, kw_only=True):
    """The schedule behind the best checkpoint, with what it scored."""

    population: str
    metric: str
    score: float
    member: int
    incarnation: int
    step: int
    schedule: list[Span]


def found_schedule(archive: Archive) -> FoundSchedule | None:
    """The schedule; None as long as nobody has a finite score."""
    best = archive.best
    if best is None:
        return None
    names = [h.name for h in archive.spec.hyperparameters]
    return FoundSchedule(
        population=archive.record.name,
        metric=archive.spec.objective.metric,
        score=best.score,
        member=best.member,
        incarnation=best.incarnation,
        step=best.step,
        schedule=[
            Span(
                first_step=segment.start_step + 1,
                last_step=segment.end_step,
                hyperparameters={
                    n: segment.hyperparameters[n] for n in names if n in segment.hyperparameters
                },
            )
            for segment in schedule(archive.lineage(best))
        ],
    )


def as_yaml(document: object) -> str:
    """Plain data as YAML."""
    return yaml.safe_dump(document, sort_keys=False, width=110)
