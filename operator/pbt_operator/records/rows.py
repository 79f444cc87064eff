"""The records of a population as tables: what `pbt export` writes and the Python API gives.

A table has fixed columns first, then one for each hyperparameter and metric, named `hyperparameters.lr` or
`metrics.loss`. The fixed ones only ever grow at their end. docs/commands.md says what each holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import UNSET

from pbt_contract.records import Birth, Report, Source, Value
from pbt_contract.scores import Score
from pbt_operator.core.end_record import End
from pbt_operator.core.round_record import Round
from pbt_operator.records.archive import Archive

Cell = Value | None | Sequence[Value]
Row = dict[str, Cell]

REPORT_COLUMNS = (
    *("member", "incarnation", "round", "step", "counts", "score", "seconds", "waited", "starting"),
    *("ending", "cause", "parent_member", "parent_incarnation", "parent_step", "sub_population"),
    *("checkpoint", "notes"),
)
BIRTH_COLUMNS = (
    *("member", "incarnation", "cause", "round", "start_step", "previous_step"),
    *("parent_member", "parent_incarnation", "parent_step", "parent_checkpoint"),
    *("seed_round", "crashes", "blamed", "decided", "sub_population", "claimed", "reason"),
)
END_COLUMNS = tuple(name for name in End.__struct_fields__ if name != "format")
ROUND_COLUMNS = (
    *("round", "step", "spec", "due", "reported", "scored", "replaced", "crashed"),
    *("best_member", "best_incarnation", "best_step", "best_score"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Records of one kind.

    Attributes:
        columns: their names, in order.
        rows: one for each record, by key; each has every column, and None where its record has no such value.
    """

    columns: list[str]
    rows: Iterator[Row]


def table_of(archive: Archive, name: str) -> Table:
    """A table.

    Args:
        archive: the records.
        name: one of `TABLES`.

    Raises:
        KeyError: there is no such table.
    """
    return TABLES[name](archive)


def _reports(archive: Archive) -> Table:
    return _report_table(archive, archive.reports)


def _saves(archive: Archive) -> Table:
    return _report_table(archive, archive.saves)


def _report_table(archive: Archive, found: Mapping[str, Report]) -> Table:
    kept = [found[key] for key in sorted(found)]
    space, objective = [h.name for h in archive.spec.hyperparameters], archive.spec.objective.metric
    assigned = _columns("hyperparameters", space, (report.hyperparameters for report in kept))
    effective = _columns("effective", space, (report.effective for report in kept))
    metrics = _columns("metrics", [objective], (report.metrics for report in kept))

    def rows() -> Iterator[Row]:
        for report in kept:
            row = _report_row(archive, report)
            row |= _cells(assigned, report.hyperparameters) | _cells(effective, report.effective)
            yield row | {column: _numbers(report.metrics.get(name)) for column, name in metrics.items()}

    return Table([*REPORT_COLUMNS, *assigned, *effective, *metrics], rows())


def _report_row(archive: Archive, report: Report) -> Row:
    birth = archive.births[report.life]
    return {
        **_own(report, ("member", "incarnation", "round", "step")),
        "counts": archive.counts(report),
        "score": report.score(archive.spec.objective.metric),
        **_own(report, ("seconds", "waited", "starting", "ending")),
        **_own(birth, ("cause",)),
        **_parent(birth.source),
        **_own(birth, ("sub_population",)),
        **_own(report, ("checkpoint", "notes")),
    }


def _births(archive: Archive) -> Table:
    kept = [archive.births[life] for life in sorted(archive.births)]
    space = [h.name for h in archive.spec.hyperparameters]
    assigned = _columns("hyperparameters", space, (birth.hyperparameters for birth in kept))
    operations = _columns("operations", space, (birth.operations for birth in kept))

    def rows() -> Iterator[Row]:
        for birth in kept:
            row = _birth_row(archive, birth)
            yield row | _cells(assigned, birth.hyperparameters) | _cells(operations, birth.operations)

    return Table([*BIRTH_COLUMNS, *assigned, *operations], rows())


def _birth_row(archive: Archive, birth: Birth) -> Row:
    return {
        **_own(birth, ("member", "incarnation", "cause", "round", "start_step", "previous_step")),
        **_parent(birth.source),
        "parent_checkpoint": birth.source.checkpoint if birth.source else None,
        **_own(birth, ("seed_round", "crashes", "blamed", "decided", "sub_population")),
        "claimed": birth.life in archive.claimed,
        "reason": birth.reason,
    }


def _ends(archive: Archive) -> Table:
    kept = [archive.ends[life] for life in sorted(archive.ends)]
    return Table(list(END_COLUMNS), (_own(end, END_COLUMNS) for end in kept))


def _rounds(archive: Archive) -> Table:
    return Table(list(ROUND_COLUMNS), map(_round_row, archive.rounds))


def _round_row(record: Round) -> Row:
    best, crashed = record.best, record.crashed
    return {
        "round": record.number,
        **_own(record, ("step", "spec", "due")),
        "reported": len(record.entries),
        "scored": sum(entry.score is not None for entry in record.entries),
        "replaced": [decision.member for decision in record.decisions],
        "crashed": [] if crashed is UNSET or not crashed else [life.member for life in crashed],
        "best_member": best.member if best else None,
        "best_incarnation": best.incarnation if best else None,
        "best_step": best.step if best else None,
        "best_score": best.score if best else None,
    }


TABLES: dict[str, Callable[[Archive], Table]] = {
    "reports": _reports,
    "saves": _saves,
    "births": _births,
    "ends": _ends,
    "rounds": _rounds,
}
"""By name; the first is what is asked for most."""


def _columns(family: str, first: Sequence[str], found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names in any of the mappings, by their columns: those of `first` in its order, then the others by name."""
    names = {name for mapping in found for name in mapping}
    ordered = [name for name in first if name in names] + sorted(names - set(first))
    return {f"{family}.{name}": name for name in ordered}


def _cells(columns: Mapping[str, str], values: Mapping[str, Any]) -> Row:
    return {column: values.get(name) for column, name in columns.items()}


def _own(record: Any, names: Iterable[str]) -> Row:
    """A record's own fields."""
    return {name: _given(getattr(record, name)) for name in names}


def _given(value: Any) -> Any:
    if value is UNSET:
        return None
    return value.value if isinstance(value, StrEnum) else value


def _parent(source: Source | None) -> Row:
    return {
        "parent_member": source.member if source else None,
        "parent_incarnation": source.incarnation if source else None,
        "parent_step": source.step if source else None,
    }


def _numbers(value: Score | Sequence[Score] | None) -> Cell:
    """Evaluations as numbers, also those that JSON can't hold."""
    if value is None:
        return None
    return [float(item) for item in value] if isinstance(value, list) else float(value)  # type: ignore[arg-type]
