"""Lets a history count over its whole life: by the names of all records at once, and by their times piece by piece."""

from collections import deque
from itertools import islice

from pbt_contract import keys
from pbt_contract.encoding import decode_report
from pbt_contract.errors import RecordRefused
from pbt_contract.keys import Life
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.history import History
from pbt_operator.records.birth_log import BirthLog, by_life
from pbt_operator.records.claim_log import ClaimLog
from pbt_operator.records.paged_names import PagedNames
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
        self._births_listed = PagedNames.below(store, keys.BIRTHS)
        self._uncounted: deque[Life] = deque()  # whose births it lacks
        # Of reports and saves, while they are counted.
        self._listings: tuple[PagedNames, PagedNames] | None = None
        self._untimed: deque[str] = deque()  # keys of records of which only the step was counted

    def count(
        self, allowance: Allowance, *, total_steps: int, claims: ClaimLog | None = None
    ) -> Ledger | None:
        """Counts from now on: reads every birth, and the names of all records. Their times are read later, by `read`.

        Where it counts already, the names alone bring it up to date: lives that were over may have recorded unseen.

        Args:
            allowance: what it may spend.
            total_steps: of each member; the last round may be shorter than the others.
            claims: where given, those of the births that rounds decided are read, too.

        Returns:
            The ledger; None if the allowance was spent before: call it again with another one.
        """
        if self._history.ledger is None and not self._count_births(allowance):
            return None
        ledger = self._history.ledger
        assert ledger is not None, "all births are counted"
        if self._listings is None and claims is not None:
            claims.begin_count()
        if not self._count_names(ledger, allowance, total_steps):
            return None
        if claims is not None and not claims.count(ledger.takeovers, allowance):
            return None
        self._listings = None
        return ledger

    def begin_again(self) -> None:
        """What was begun to be counted and isn't yet, is too old by now to be gone on with."""
        self._listings = None

    def _count_births(self, allowance: Allowance) -> bool:
        """Whether every birth that there ever was is counted."""
        self._begun = begun = self._begun or Ledger()
        self._uncounted.extend(life for life, _ in by_life(self._births_listed.go_on(allowance)))
        while self._uncounted:
            some = list(islice(self._uncounted, allowance.at_once(BIRTHS_AT_ONCE)))
            for birth in self._births.peek_all(some):
                begun.add_birth(birth)
                self._uncounted.popleft()
            allowance.spend(reads=len(some))
            if allowance.is_spent:
                break
        if self._uncounted or not self._births_listed.is_whole:
            return False
        for member in self._history.members:
            for record in self._history.records(member):
                begun.add_record(record)
        self._history.ledger, self._begun = begun, None
        return True

    def _count_names(self, ledger: Ledger, allowance: Allowance, total_steps: int) -> bool:
        """Whether all names of records are counted."""
        if self._listings is None:
            self._listings = self._names.all_reports(), PagedNames.below(self._store, keys.SAVES)
            self._untimed.clear()
        for listed in self._listings:
            for life, key in by_life(listed.go_on(allowance)):
                self._add_name(ledger, life, key, total_steps)
            if not listed.is_whole:
                return False
        ledger.is_whole = not self._untimed
        return True

    def _add_name(self, ledger: Ledger, life: Life, key: str, total_steps: int) -> None:
        if not ledger.knows(life):
            return  # nobody's: no record is believed without a birth
        step = min(keys.step_in(key, self._interval_steps), total_steps)
        known = self._history.record(life.member, key)
        ledger.add_name(life, known.step if known else step)
        if not ledger.has_time(life, _round_in(key), step):
            self._untimed.append(key)

    def read(self, allowance: Allowance, *, most: int = TIMES_A_PASS) -> None:
        """Reads the times of so many records that are known by name only, if there are any."""
        ledger = self._history.ledger
        if ledger is None or not self._untimed:
            return
        some = list(islice(self._untimed, allowance.at_once(most)))
        for key, data in zip(some, read_each(self._store, some, readers=self._readers), strict=True):
            if isinstance(data, bytes):
                self._take(ledger, key, data)
        for _ in some:
            self._untimed.popleft()
        allowance.spend(reads=len(some))
        ledger.is_whole = not self._untimed

    def read_all(self, allowance: Allowance) -> bool:
        """Reads the times of records that are known by name only, and returns whether that were all."""
        while self._untimed:
            self.read(allowance)
            if self._untimed and allowance.is_spent:
                return False
        return True

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
