"""Lets a history count over its whole life: by the names of all records at once, and by their times piece by piece."""

from collections import deque
from itertools import chain, islice

from pbt_contract import keys
from pbt_contract.encoding import decode_report
from pbt_contract.errors import RecordRefused
from pbt_contract.keys import Life
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.history import History
from pbt_operator.records.birth_log import BirthLog, by_life
from pbt_operator.records.parallel import read_each
from pbt_operator.records.report_names import ReportNames

BIRTHS_AT_ONCE = 256
TIMES_A_PASS = 256
"""Records whose times are read in one pass: a second of an object store's time, in sixteen threads."""


class LedgerLog:
    """Reads for the ledger of a history what decisions don't need."""

    def __init__(
        self,
        store: Store,
        history: History,
        births: BirthLog,
        names: ReportNames,
        *,
        interval_steps: int,
        readers: int,
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: whose ledger it is.
            births: of the same population.
            names: of what its trainers record.
            interval_steps: between rounds.
            readers: how many records are read at once.
        """
        self._store, self._history, self._births, self._names = store, history, births, names
        self._interval_steps, self._readers = interval_steps, readers
        self._begun: Ledger | None = None  # until it has every birth
        self._uncounted: deque[Life] = deque()  # whose births it lacks
        self._untimed: deque[str] = deque()  # keys of records of which only the step was counted

    def count_births(self, allowance: Allowance) -> int:
        """Begins to count, by every birth that there ever was; returns how many the allowance leaves unread."""
        if self._history.ledger is not None:
            return 0
        if self._begun is None:
            self._begun, self._uncounted = Ledger(), deque(self._births.lives())
        while self._uncounted and not allowance.is_spent:
            some = list(islice(self._uncounted, allowance.at_once(BIRTHS_AT_ONCE)))
            for birth in self._births.peek_all(some):
                self._begun.add_birth(birth)
                self._uncounted.popleft()
            allowance.spend(reads=len(some))
        return len(self._uncounted)

    def count(self, *, total_steps: int) -> Ledger:
        """Counts from now on: reads every birth, and the names of all records.

        Where it counts already, the names alone bring it up to date: lives that were over may have recorded unseen.

        Args:
            total_steps: of each member; the last round may be shorter than the others.
        """
        ledger = self._history.ledger
        if ledger is None:
            self.count_births(Allowance())
            ledger, self._begun = self._begun or Ledger(), None
            for member in self._history.members:
                for record in self._history.records(member):
                    ledger.add_record(record)
        self._untimed.clear()
        for life, key in by_life(chain(self._names.reports(after=""), self._store.names(keys.SAVES))):
            if not ledger.knows(life):
                continue  # nobody's: no record is believed without a birth
            step = min(keys.step_in(key, self._interval_steps), total_steps)
            number = _round_in(key)
            known = self._history.record(life.member, key)
            ledger.add_name(life, known.step if known else step)
            if not ledger.has_time(life, number, step):
                self._untimed.append(key)
        ledger.is_whole = not self._untimed
        self._history.ledger = ledger
        return ledger

    def read(self, *, most: int = TIMES_A_PASS) -> None:
        """Reads the times of so many records that are known by name only, if there are any."""
        ledger = self._history.ledger
        if ledger is None or not self._untimed:
            return
        some = list(islice(self._untimed, most))
        for key, data in zip(some, read_each(self._store, some, readers=self._readers), strict=True):
            if isinstance(data, bytes):
                self._take(ledger, key, data)
        for _ in some:
            self._untimed.popleft()
        ledger.is_whole = not self._untimed

    def read_all(self) -> None:
        """Reads the times of all records that are known by name only."""
        while self._untimed:
            self.read()

    def _take(self, ledger: Ledger, key: str, data: bytes) -> None:
        try:
            record = decode_report(data, key=key)
        except RecordRefused:
            return  # whoever decides by it tells of it
        ledger.add_record(record)


def _round_in(key: str) -> int | None:
    """The round of a report's key; None of a save's."""
    kind, number, _ = key.split("/")
    return int(number) if f"{kind}/" == keys.REPORTS else None
