"""The whole story of a population, read from its store alone: for the commands, results and the page."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar, cast

import msgspec

from pbt_contract import keys
from pbt_contract.counting import report_fault
from pbt_contract.encoding import decode, decode_report
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim, Report
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.lineage import Segment, lineage_of
from pbt_operator.core.location_records import SpecRecord
from pbt_operator.core.round_record import Round, Standing
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.core.standing import standing_of
from pbt_operator.core.status import PopulationPhase, Result, Status
from pbt_operator.core.status_builder import claimed_activity, status_of
from pbt_operator.core.takeovers import DECIDED
from pbt_operator.manifest.population import recorded, to_core
from pbt_operator.records import specs
from pbt_operator.records.claims import claimed_lives
from pbt_operator.records.large_records import read_large
from pbt_operator.records.parallel import read_all

R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True)
class Archive:
    """Everything that is recorded of a population.

    Attributes:
        record: the newest spec record; `spec` is the same for decisions.
        births: by member and incarnation.
        rounds: ascending.
        reports: those that count and those that don't, by key.
        ends: how lives ended, as far as that is recorded.
        claimed: the lives that a process took.
        takeovers: the claims of the births that rounds decided, where processes may take them over in place.
        refused: keys of malformed records, with the reason.
    """

    record: SpecRecord
    spec: Spec
    births: dict[Life, Birth]
    rounds: list[Round]
    reports: dict[str, Report]
    saves: dict[str, Report]
    ends: dict[Life, End]
    claimed: set[Life]
    takeovers: list[Claim]
    result: Result | None
    refused: dict[str, str]
    history: History

    @cached_property
    def best(self) -> Standing | None:
        """The best report that counts, ever."""
        return self.history.best(self.spec.objective)

    @cached_property
    def final(self) -> Standing | None:
        """The best at the end, as the result says, or of the members' newest scores so far."""
        if self.result is None:
            return self.history.final(self.spec.objective)
        told = self.result.final
        if told is None:
            return None
        number = -(-told.step // self.spec.schedule.interval_steps)
        report = self.reports.get(keys.report(number, told.member, told.incarnation))
        return standing_of(report, self.spec.objective) if report is not None else None

    def lineage(self, standing: Standing) -> list[Segment]:
        """The lineage behind a standing."""
        return lineage_of(standing, self.births)

    @cached_property
    def ended(self) -> set[Life]:
        """The lives that said that their member is done."""
        records = [*self.reports.values(), *self.saves.values()]
        return {record.life for record in records if record.ends}

    def counts(self, report: Report) -> bool:
        """Whether a report is part of the story."""
        return self.history.counts(report)

    def status(self) -> Status:
        """The status that the records alone tell: processes are not in the store."""
        if self.result is not None:
            phase, reason, message = self.result.phase, self.result.reason, self.result.message
        elif self.spec.suspend:
            phase, reason, message = PopulationPhase.SUSPENDED, "Suspended", ""
        elif self.claimed:
            phase, reason, message = PopulationPhase.RUNNING, "NotEnded", ""
        else:
            phase, reason, message = PopulationPhase.PENDING, "NotStarted", ""
        status = status_of(
            self.history,
            self._ledger(),
            self.spec,
            phase=phase,
            reason=reason,
            message=message,
            rounds=len(self.rounds),
            activity=claimed_activity(self.history, self.claimed if self.result is None else ()),
        )
        return status if self.result is None else self.result.closing(status)

    def _ledger(self) -> Ledger:
        ledger = Ledger()
        for birth in self.births.values():
            ledger.add_birth(birth)
        for claim in self.takeovers:
            ledger.takeovers.add_claim(claim)
        for record in [*self.reports.values(), *self.saves.values()]:
            ledger.add_record(record)
        return ledger


def read_archive(store: Store, *, readers: int = 1) -> Archive:
    """Reads everything.

    Args:
        store: opened at the population's location.
        readers: threads that read at once; an object store answers each read in tens of milliseconds.

    Raises:
        NotFound: there is no population at this location.
        NewerFormat: a newer version has written something here: half a story would be a wrong one.
        RecordRefused: its spec is malformed.
    """
    record = specs.newest(store)
    if record is None:
        raise NotFound(f"there is no population at {store.url}")
    spec = to_core(recorded(record))
    reader = _Reader(store, readers)
    births = {birth.life: birth for birth in reader.all(keys.BIRTHS, Birth)}
    rounds = list(reader.all(keys.ROUNDS, Round))
    reports = _of_births(reader.all(keys.REPORTS, Report), births, spec, reader)
    saves = _of_births(reader.all(keys.SAVES, Report), births, spec, reader)
    history = History(kept_per_member=max(1, len(reports) + len(saves)))
    for birth in births.values():
        history.add_birth(birth)
    for report in [*reports.values(), *saves.values()]:
        history.add_record(report)
    if rounds:
        history.add_round(rounds[-1])
    claimed = set(claimed_lives(store))
    results = list(reader.all(keys.RESULTS, Result))
    return Archive(
        record=record,
        spec=spec,
        births=births,
        rounds=rounds,
        reports=reports,
        saves=saves,
        ends={end.life: end for end in reader.all(keys.ENDS, End)},
        claimed=claimed,
        takeovers=list(reader.some(_taken_over(births, claimed, spec), Claim)),
        result=results[-1] if results and results[-1].spec == record.number else None,
        refused=reader.refused,
        history=history,
    )


def _of_births(
    found: Iterable[Report],
    births: dict[Life, Birth],
    spec: Spec,
    reader: "_Reader",
) -> dict[str, Report]:
    """The records that their births agree with; the others are noted in `refused`."""
    kept: dict[str, Report] = {}
    interval, last = spec.schedule.interval_steps, reader.last_step
    for report in found:
        birth = births.get(report.life)
        fault = report_fault(report, birth, interval_steps=interval, last_step=last)
        if fault is None:
            kept[report.key] = report
        else:
            reader.refused[report.key] = f"{report.key}: {fault}"
    return kept


def _taken_over(births: dict[Life, Birth], claimed: set[Life], spec: Spec) -> Iterator[str]:
    """The keys of the claims that may say how a process that trained came to its life."""
    for life, birth in births.items():
        if spec.restart is Restart.IN_PLACE and birth.cause in DECIDED and life in claimed:
            yield keys.claim(*life)


class _Reader:
    """Reads all records of a kind; malformed ones are noted in `refused`."""

    def __init__(self, store: Store, readers: int) -> None:
        self.refused: dict[str, str] = {}
        self.last_step = specs.last_step(store, readers=readers)
        self._store, self._readers = store, readers

    def all(self, prefix: str, kind: type[R]) -> Iterator[R]:
        """The records below a prefix, by key."""
        return self.some(self._store.names(prefix), kind)

    def some(self, names: Iterable[str], kind: type[R]) -> Iterator[R]:
        """The records of these keys."""
        found = read_all(partial(self._read_one, kind), names, readers=self._readers)
        return (record for record in found if record is not None)

    def _read_one(self, kind: type[R], key: str) -> R | None:
        try:
            if kind is Round or kind is Result:
                return cast("R", read_large(self._store, cast("type[Round]", kind), key))
            data = self._store.read(key)
            record = decode_report(data, key=key) if kind is Report else decode(kind, data, key=key)
        except NotFound:
            return None  # deleted in between
        except NewerFormat:
            raise
        except RecordRefused as refusal:
            self.refused[key] = str(refusal)
            return None
        return cast("R", record)
