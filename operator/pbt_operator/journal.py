"""The operator's side of the store: reads records into a `History`, incrementally, and writes them once.

At the start only names are listed, and each member's newest births and reports and the newest round are read. Then one
listing from the newest decided round on shows all that is new; the next report of a laggard has a known key.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import msgspec

from pbt_operator.core.history import History
from pbt_operator.core.ledger import Ledger
from pbt_operator.core.reports import report_fault
from pbt_operator.core.round import Round
from pbt_trainer import keys
from pbt_trainer.errors import KeyRefused, NotFound, RecordRefused
from pbt_trainer.records import Birth, Claim, Report, decode, decode_report, encode
from pbt_trainer.stores import Store

R = TypeVar("R", bound=msgspec.Struct)
VOID = "void"
# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16


class Journal:
    """The records of one population, over one store.

    Attributes:
        history: what was read so far.
        ledger: counts over the whole life; None until `count` is called.
    """

    def __init__(self, store: Store, *, interval_steps: int, on_refused: Callable[[str, str], None]) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            interval_steps: between rounds; it can't change.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self.store = store
        self.history = History(kept_per_member=RECORDS_PER_MEMBER)
        self.ledger: Ledger | None = None
        self._interval_steps = interval_steps
        self._on_refused = on_refused
        self._claims: dict[tuple[int, int], Claim] = {}
        self._rounds: dict[int, Round] = {}
        self._refused: set[str] = set()
        self._dead: list[str] = []
        self._fresh: list[Report] = []

    # reading

    def load(self) -> None:
        """Learns what decisions need after a start, whatever came before it."""
        newest = keys.newest_number(self.store.names(keys.ROUNDS))
        if newest:
            self.history.add_round(self.round(newest))
        for member, incarnation in _newest_lives(self.store.names(keys.BIRTHS)).items():
            self._load_line(member, incarnation)
        for key in _newest_reports(self.store.names(keys.REPORTS), count=RECORDS_PER_MEMBER):
            self._learn(key)
        self.refresh()
        self.take_fresh()

    def count(self, *, readers: int) -> None:
        """Begins to count, once loaded: reads every birth, by so many threads at once, and the names of all records."""
        ledger = Ledger()
        lives = [life for life, _ in _by_life(self.store.names(keys.BIRTHS))]
        with ThreadPoolExecutor(readers) as pool:
            for birth in pool.map(lambda life: self._read(Birth, keys.birth(*life)), lives):
                ledger.add_birth(birth)
        for (member, incarnation), key in _by_life(
            [*self.store.names(keys.REPORTS), *self.store.names(keys.SAVES)]
        ):
            known = self.history.record(member, key)
            step = known.step if known else keys.step_in(key, self._interval_steps)
            ledger.add_record(member, incarnation, step)
        self.ledger = ledger

    def _add_birth(self, birth: Birth) -> None:
        self.history.add_birth(birth)
        if self.ledger is not None:
            self.ledger.add_birth(birth)

    def _load_line(self, member: int, incarnation: int) -> None:
        while incarnation > 0 and self.history.birth(member, incarnation) is None:
            birth = self._read(Birth, keys.birth(member, incarnation))
            self._add_birth(birth)
            if not birth.cause.resumes:
                return
            incarnation -= 1

    def refresh(self) -> None:
        """Learns of the reports that are new since the last time."""
        for key in self.store.names(keys.REPORTS, start_after=keys.reports_of(self.history.decided)):
            self._learn(key)
        for member in self.history.members:
            if self.history.position(member) < self.history.decided * self._interval_steps:
                self._probe_reports(member)

    def catch_up(self, member: int) -> None:
        """Lists the member's records once more, saves included: what a resume must not miss."""
        birth = self.history.newest_birth(member)
        assert birth is not None
        saves = list(self.store.names(keys.saves_of(member, birth.incarnation)))
        if saves:
            self._learn(saves[-1])
        self._probe_reports(member)

    def _probe_reports(self, member: int) -> None:
        """Reads the reports of the newest incarnation that follow those known; none is ever skipped by a trainer."""
        birth = self.history.newest_birth(member)
        assert birth is not None
        rounds = [
            record.round
            for record in self.history.line_records(member)
            if record.round is not None and record.incarnation == birth.incarnation
        ]
        number = max([birth.start_step // self._interval_steps, *rounds]) + 1
        while self._learn(keys.report(number, member, birth.incarnation)):
            number += 1

    def _learn(self, key: str) -> bool:
        """Reads a report or save, unless it is known or was refused; returns whether it is there."""
        if key in self._refused:
            return False
        try:
            member, incarnation = keys.life_in(key)
            if self.history.record(member, key) is not None:
                return True
            report = decode_report(self.store.read(key), key=key)
            self._check(report)
        except NotFound:
            return False
        except RecordRefused as refusal:
            self._refused.add(key)
            self._on_refused(key, str(refusal))
            return False
        self._load_successors(member, incarnation)
        self.history.add_record(report)
        if self.ledger is not None:
            self.ledger.add_record(member, incarnation, report.step)
        self._fresh.append(report)
        return True

    def _load_successors(self, member: int, incarnation: int) -> None:
        """Makes sure that the births which say whether a record counts are known."""
        newest = self.history.newest_birth(member)
        for later in range(incarnation + 1, newest.incarnation + 1 if newest else 0):
            birth = self.birth(member, later)
            if not birth.cause.resumes:
                return

    def _check(self, report: Report) -> None:
        birth: Birth | None = None
        with suppress(NotFound):
            birth = self.birth(report.member, report.incarnation)
        fault = report_fault(report, birth, interval_steps=self._interval_steps)
        if fault is not None:
            raise RecordRefused(f"{report.key}: {fault}")

    def birth(self, member: int, incarnation: int) -> Birth:
        """One birth.

        Raises:
            NotFound: there is none.
        """
        known = self.history.birth(member, incarnation)
        if known is None:
            known = self._read(Birth, keys.birth(member, incarnation))
            self._add_birth(known)
        return known

    def round(self, number: int) -> Round:
        """One decided round.

        Raises:
            NotFound: it wasn't decided (yet).
        """
        if number not in self._rounds:
            self._rounds[number] = self._read(Round, keys.round_(number))
        return self._rounds[number]

    def claim(self, birth: Birth) -> Claim | None:
        """Who took a birth, if anybody did."""
        life = (birth.member, birth.incarnation)
        if life not in self._claims:
            try:
                self._claims[life] = self._read(Claim, keys.claim(*life))
            except NotFound:
                return None
        return self._claims[life]

    def learn_source(self, birth: Birth) -> Report | None:
        """The record that a birth starts from, if it starts from one."""
        if birth.source is None or not self._learn(birth.source.record):
            return None
        return self.history.record(birth.source.member, birth.source.record)

    def _read(self, kind: type[R], key: str) -> R:
        return decode(kind, self.store.read(key), key=key)

    def take_fresh(self) -> list[Report]:
        """The records that were learned since the last call; those of `load` aren't news."""
        fresh, self._fresh = self._fresh, []
        return fresh

    # writing; each returns what is stored, which another operator may have written first

    def write_birth(self, birth: Birth) -> Birth:
        """Orders an incarnation."""
        stored = self._create(birth, keys.birth(birth.member, birth.incarnation))
        self._add_birth(stored)
        if birth.incarnation > 1:
            self._dead.append(keys.checkpoints_of(birth.member, birth.incarnation - 1))
        return stored

    def take_dead(self) -> list[str]:
        """Where incarnations that were superseded since the last call kept their checkpoints."""
        dead, self._dead = self._dead, []
        return dead

    def write_round(self, decided: Round) -> Round:
        """Records a round's decisions."""
        stored = self._create(decided, keys.round_(decided.number))
        self._rounds[stored.number] = stored
        self.history.add_round(stored)
        return stored

    def void(self, birth: Birth, *, pod: str) -> Claim:
        """Takes an unclaimed birth away from a process that is over, so that it can never start."""
        life = (birth.member, birth.incarnation)
        claim = Claim(member=life[0], incarnation=life[1], pod=pod, nonce=VOID, void=True)
        self._claims[life] = self._create(claim, keys.claim(*life))
        return self._claims[life]

    def _create(self, record: R, key: str) -> R:
        return decode(type(record), self.store.create(key, encode(record)), key=key)


def _by_life(names: Iterable[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """The incarnation that each key speaks of, and the key; names that are none of ours are left out."""
    for key in names:
        with suppress(KeyRefused):
            yield keys.life_in(key), key


def _newest_lives(names: Iterable[str]) -> dict[int, int]:
    """By member, the newest incarnation that has a birth."""
    newest: dict[int, int] = {}
    for (member, incarnation), _ in _by_life(names):
        newest[member] = max(incarnation, newest.get(member, 0))
    return newest


def _newest_reports(names: Iterable[str], *, count: int) -> list[str]:
    """The keys of each member's newest reports: of its newest incarnations, of their latest rounds."""
    reports: dict[int, list[tuple[int, str]]] = {}
    for (member, incarnation), key in _by_life(names):
        reports.setdefault(member, []).append((incarnation, key))
    return [key for found in reports.values() for _, key in sorted(found)[-count:]]
