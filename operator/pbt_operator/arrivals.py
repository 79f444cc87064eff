"""Finds the reports and saves that are new: by one listing, and by the known keys of those whom it doesn't show.

At the start each member's newest reports are read; then one listing from the newest decided round on shows all that is
new, and a laggard's next report has a known key.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from pbt_operator.core.history import History
from pbt_operator.core.reports import report_fault
from pbt_trainer import keys
from pbt_trainer.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_trainer.records import Birth, Report, decode_report
from pbt_trainer.stores import Store

# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16


class Arrivals:
    """Reads what trainers record, each record once."""

    def __init__(
        self,
        store: Store,
        history: History,
        *,
        interval_steps: int,
        birth: Callable[[int, int], Birth],
        add: Callable[[Report], None],
        on_refused: Callable[[str, str], None],
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: what is known so far.
            interval_steps: between rounds.
            birth: reads one birth, and adds it to the history.
            add: adds a record to it.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self._store, self._history, self._interval_steps = store, history, interval_steps
        self._birth, self._add, self._on_refused = birth, add, on_refused
        self._refused: set[str] = set()
        self._read_up_to: dict[
            tuple[int, int], int
        ] = {}  # by life, the round up to which all reports are known
        self._fresh: list[Report] = []

    def load(self) -> None:
        """Reads each member's newest reports."""
        for key in _newest(self._store.names(keys.REPORTS), count=RECORDS_PER_MEMBER):
            self.learn(key)
            life, before = keys.life_in(key), keys.number_in(key.split("/")[1]) - 1
            self._read_up_to[life] = min(before, self._read_up_to.get(life, before))

    def refresh(self) -> None:
        """Learns of the reports that are new since the last time."""
        history = self._history
        for key in self._store.names(keys.REPORTS, start_after=keys.reports_of(history.decided)):
            self.learn(key)
        for member in history.members:
            self._fill(member)
            if history.position(member) < history.decided * self._interval_steps:
                self._probe(member)

    def catch_up(self, member: int) -> None:
        """Lists the member's records once more, saves included."""
        birth = self._newest_birth(member)
        saves = list(self._store.names(keys.saves_of(member, birth.incarnation)))
        if saves:
            self.learn(saves[-1])
        self._probe(member)

    def take_fresh(self) -> list[Report]:
        """The records that were learned since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _newest_birth(self, member: int) -> Birth:
        birth = self._history.newest_birth(member)
        assert birth is not None, "only who was born is known"
        return birth

    def _fill(self, member: int) -> None:
        """Reads the reports of the newest incarnation between those known: a laggard may have caught up meanwhile."""
        birth = self._newest_birth(member)
        life = (member, birth.incarnation)
        known = self._read_up_to.setdefault(life, birth.start_step // self._interval_steps)
        own = (r for r in self._history.line_records(member) if r.incarnation == birth.incarnation)
        newest = max((report.round for report in own if report.round is not None), default=known)
        for number in range(known + 1, newest + 1):
            self.learn(keys.report(number, *life))
            self._read_up_to[life] = number

    def _probe(self, member: int) -> None:
        """Reads the reports of the newest incarnation that follow those known; none is ever skipped by a trainer."""
        self._fill(member)
        life = (member, self._newest_birth(member).incarnation)
        while self.learn(keys.report(self._read_up_to[life] + 1, *life)):
            self._read_up_to[life] += 1

    def learn(self, key: str) -> bool:
        """Reads a report or save, unless it is known or was refused; returns whether it is there."""
        if key in self._refused:
            return False
        try:
            member, incarnation = keys.life_in(key)
            if self._history.record(member, key) is not None:
                return True
            report = decode_report(self._store.read(key), key=key)
            self._check(report)
        except NotFound:
            return False
        except NewerFormat:
            raise  # nothing may be decided without it
        except RecordRefused as refusal:
            self._refused.add(key)
            self._on_refused(key, str(refusal))
            return False
        self._load_successors(member, incarnation)
        self._add(report)
        self._fresh.append(report)
        return True

    def _load_successors(self, member: int, incarnation: int) -> None:
        """Makes sure that the births which say whether a record counts are known."""
        newest = self._history.newest_birth(member)
        for later in range(incarnation + 1, newest.incarnation + 1 if newest else 0):
            if not self._birth(member, later).cause.resumes:
                return

    def _check(self, report: Report) -> None:
        birth: Birth | None = None
        with suppress(NotFound):
            birth = self._birth(report.member, report.incarnation)
        fault = report_fault(report, birth, interval_steps=self._interval_steps)
        if fault is not None:
            raise RecordRefused(f"{report.key}: {fault}")


def by_life(names: Iterable[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """The incarnation that each key speaks of, and the key; names that are none of ours are left out."""
    for key in names:
        with suppress(KeyRefused):
            yield keys.life_in(key), key


def _newest(names: Iterable[str], *, count: int) -> list[str]:
    """The keys of each member's newest reports: of its newest incarnations, of their latest rounds."""
    reports: dict[int, list[tuple[int, str]]] = {}
    for (member, incarnation), key in by_life(names):
        reports.setdefault(member, []).append((incarnation, key))
    return [key for found in reports.values() for _, key in sorted(found)[-count:]]
