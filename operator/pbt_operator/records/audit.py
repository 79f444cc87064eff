"""Checks the invariants of a population from its store alone; what it returns is what is wrong.

The numbers are the design's: one writer for each incarnation (1), births without gaps whose sources exist (2), no
member but a loser thrown back (3), the best survives (4), decisions replay bit for bit and are carried out once (5),
hyperparameters in their spaces (6), gates that follow from what they name (7). 0 stands for the records themselves:
each can be read, and what the operator wrote has the bytes that it writes.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pbt_contract import keys
from pbt_contract.errors import KeyRefused, NotFound
from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.core.end_record import End
from pbt_operator.core.round_record import Round
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.records.audit_births import birth_violations
from pbt_operator.records.audit_ends import end_violations
from pbt_operator.records.audit_gates import gate_violations, read_gates
from pbt_operator.records.audit_rounds import AcceptedSpecs, round_violations
from pbt_operator.records.large_records import forms_of
from pbt_operator.records.parallel import read_all
from pbt_operator.records.violation import Violation
from pbt_operator.records.written_form import form_fault

__all__ = ["Audit", "Violation", "audit", "violations"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was checked, and what is wrong.

    Attributes:
        population: its name.
        rounds, decisions, births, reports: how many of each there are; reports include saves.
    """

    population: str
    rounds: int
    decisions: int
    births: int
    reports: int
    violations: list[Violation]


def audit(store: Store, *, readers: int = 1) -> Audit:
    """Reads a population and checks it.

    Records are added while a population runs, so one reading may know a record without the one that it follows from.
    What it then finds wrong counts if a second reading finds it as well.

    Args:
        store: opened at the population's location.
        readers: threads that read at once.

    Raises:
        NotFound, NewerFormat, RecordRefused: as `read_archive`.
    """
    archive = read_archive(store, readers=readers)
    found = violations(store, archive, readers=readers)
    if found and archive.result is None:
        archive = read_archive(store, readers=readers)
        again = set(violations(store, archive, readers=readers))
        found = [violation for violation in found if violation in again]
    return Audit(
        population=archive.record.name,
        rounds=len(archive.rounds),
        decisions=sum(len(decided.decisions) for decided in archive.rounds),
        births=len(archive.births),
        reports=len(archive.reports) + len(archive.saves),
        violations=found,
    )


def violations(store: Store, archive: Archive, *, readers: int = 1) -> list[Violation]:
    """What is wrong with a population.

    Args:
        store: opened at the population's location.
        archive: what was read there.
        readers: threads that read at once.
    """
    accepted = AcceptedSpecs(store)
    return [
        *_refused(archive),
        *_forms(store, archive, readers),
        *birth_violations(store, archive, accepted),
        *end_violations(store, archive, accepted),
        *round_violations(archive, accepted),
        *gate_violations(read_gates(store, readers=readers), archive, accepted),
        *_best(store, archive),
    ]


def _refused(archive: Archive) -> Iterator[Violation]:
    for key, why in archive.refused.items():
        if _is_record(key):
            yield Violation(0, key, why.removeprefix(f"{key}: "))


def _is_record(key: str) -> bool:
    """Whether the layout has such a name; files with other names may lie there, and are nobody's record."""
    for name_of in (keys.round_, keys.result):
        with suppress(KeyRefused):
            if key == name_of(keys.number_in(key)):
                return True
    with suppress(KeyRefused):
        keys.life_in(key)
        return True
    return False


def _forms(store: Store, archive: Archive, readers: int) -> Iterator[Violation]:
    """The operator's records have the bytes that it writes. Trainers may be of any language and space as they like."""
    written: list[Round | Birth | End] = [
        *archive.rounds,
        *archive.births.values(),
        *archive.ends.values(),
    ]
    for record, fault in zip(written, read_all(partial(_form, store), written, readers=readers), strict=True):
        if fault is not None:
            yield Violation(0, record.key, fault)


def _form(store: Store, record: Round | Birth | End) -> str | None:
    try:
        if not isinstance(record, Round):
            return form_fault(record, store.read(record.key))
        forms = forms_of(store, Round, record.key)
        return next((fault for form, data in forms if (fault := form_fault(form, data))), None)
    except NotFound:
        return "was deleted just now"


def _best(store: Store, archive: Archive) -> Iterator[Violation]:
    best = archive.best
    metric, utility = archive.spec.objective.metric, archive.spec.objective.utility
    scores = {
        report.key: score
        for report in archive.reports.values()
        if archive.counts(report) and (score := report.score(metric)) is not None
    }
    if not scores:
        return
    top = max(scores, key=lambda key: utility(scores[key]))
    if best is None or utility(best.score) < utility(scores[top]):
        yield Violation(4, top, f"has the score {scores[top]}, and the best is {best and best.score}")
        return
    report = archive.reports.get(best.source.record)
    if report is not None and report.files and next(iter(store.names(report.checkpoint)), None) is None:
        yield Violation(4, report.key, f"is the best, and its checkpoint {report.checkpoint} is gone")
