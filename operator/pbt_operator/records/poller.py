"""Finds the reports and saves that are new: by one listing, and by the known keys of those whom it doesn't show.

At the start each member's newest reports are read; then one listing shows all that is new, and a laggard's next report
has a known key. What a poll costs follows from what is new and who lags, not from how much is known.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.encoding import decode_report
from pbt_contract.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Report
from pbt_contract.stores import Store
from pbt_operator.core.history import History
from pbt_operator.core.listing import first_round
from pbt_operator.core.report_fault import report_fault
from pbt_operator.records.parallel import read_all

# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16
AT_ONCE = 256  # reports that are read before they are applied


class Poller:
    """Reads what trainers record, each record once."""

    def __init__(
        self,
        store: Store,
        history: History,
        *,
        interval_steps: int,
        readers: int,
        birth: Callable[[int, int], Birth],
        add: Callable[[Report], None],
        on_refused: Callable[[str, str], None],
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: what is known so far.
            interval_steps: between rounds.
            readers: how many records are read at once; they are applied in the order of their keys all the same.
            birth: reads one birth, and adds it to the history.
            add: adds a record to it.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self._store, self._history, self._interval_steps = store, history, interval_steps
        self._birth, self._add, self._on_refused, self._readers = birth, add, on_refused, readers
        self._refused: set[str] = set()
        self._listed: set[str] = set()  # keys that were dealt with, as far as a listing may show them again
        self._read_up_to: dict[Life, int] = {}  # the round up to which all reports are known
        self._to_fill: set[int] = set()  # members with news
        self._fresh: list[Report] = []

    def load(self) -> None:
        """Reads the newest reports of each member: all that are kept, for the best may be any of them."""
        newest = _newest(self._store.names(keys.REPORTS), count=RECORDS_PER_MEMBER)
        self._learn_all(key for found in newest.values() for key in found)
        for found in newest.values():
            for key in found:
                if self._history.record(keys.life_in(key)[0], key) is not None or key in self._refused:
                    life, before = keys.life_in(key), keys.number_in(key.split("/")[1]) - 1
                    self._read_up_to[life] = min(before, self._read_up_to.get(life, before))

    def refresh(self) -> None:
        """Learns of the reports that are new since the last time."""
        following = {member: self._next_round(member) for member in self._laggards()}
        first = first_round(
            Counter(following.values()),
            decided=self._history.decided,
            newest=max(self._history.rounds_seen(), default=0),
            members=len(self._history.members),
        )
        start = keys.reports_of(first)
        self._listed = {key for key in self._listed if key > start}
        if len(self._read_up_to) > 2 * len(self._history.members):
            newest = {(member, self._newest_birth(member).incarnation) for member in self._history.members}
            self._read_up_to = {life: number for life, number in self._read_up_to.items() if life in newest}
        self._learn_all(
            key for key in self._store.names(keys.REPORTS, start_after=start) if key not in self._listed
        )
        self._fill_all()
        self._probe_all([member for member, number in following.items() if number < first])

    def glance(self, members: Collection[int]) -> None:
        """Learns of the next reports of a few members, without a listing."""
        self._fill_all()
        born = (member for member in sorted(members) if self._history.newest_birth(member) is not None)
        self._probe_all(list(born))

    def catch_up(self, member: int) -> None:
        """Lists the member's records once more, saves included."""
        birth = self._newest_birth(member)
        saves = list(self._store.names(keys.saves_of(member, birth.incarnation)))
        if saves:
            self.learn(saves[-1])
        self._probe(member)

    def take_fresh(self) -> list[Report]:
        """The records that were learned since the last call, with all that they say."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _laggards(self) -> list[int]:
        """Members that may still report a round that is decided, or one before it."""
        step, history = self._history.decided * self._interval_steps, self._history
        behind = [member for member in history.members if history.position(member) < step]
        return [member for member in behind if not self._newest_birth(member).cause.closes]

    def _newest_birth(self, member: int) -> Birth:
        birth = self._history.newest_birth(member)
        assert birth is not None, "only who was born is known"
        return birth

    def _next_round(self, member: int) -> int:
        """The round that the newest incarnation reports next, as far as is known; no trainer ever skips one."""
        birth = self._newest_birth(member)
        life = Life(member, birth.incarnation)
        return self._read_up_to.setdefault(life, birth.start_step // self._interval_steps) + 1

    def _fill_all(self) -> None:
        for member in sorted(self._to_fill):
            self._fill(member)
            self._to_fill.discard(member)

    def _fill(self, member: int) -> None:
        """Reads the reports of the newest incarnation between those known: a laggard may have caught up meanwhile."""
        life = Life(member, self._newest_birth(member).incarnation)
        known = self._next_round(member) - 1
        own = (r for r in self._history.line_records(member) if r.incarnation == life[1])
        newest = max((report.round for report in own if report.round is not None), default=known)
        for number in range(known + 1, newest + 1):
            self.learn(keys.report(number, *life))
            self._read_up_to[life] = number

    def _probe_all(self, members: Sequence[int]) -> None:
        """Asks for the next report of each at once; who has made it, is asked for the one after."""
        found = {key: member for member in members if (key := self._next_key(member)) not in self._refused}
        read = read_all(self._read, found, readers=self._readers)
        for (key, member), data in zip(found.items(), read, strict=True):
            if data is not None and self._take(key, data):
                self._probe(member)

    def _probe(self, member: int) -> None:
        """Reads the reports of the newest incarnation that follow those known; none is ever skipped by a trainer."""
        self._fill(member)
        while self.learn(self._next_key(member)):
            self._read_up_to[self._newest_birth(member).life] += 1

    def _next_key(self, member: int) -> str:
        return keys.report(self._next_round(member), member, self._newest_birth(member).incarnation)

    # one record

    def _learn_all(self, found: Iterable[str]) -> None:
        """Learns of each that is new, in this order."""
        remaining = iter(found)
        while some := list(islice(remaining, AT_ONCE)):
            new = [key for key in some if self._is_new(key)]
            self._listed.update(set(some).difference(new))
            for key, data in zip(new, read_all(self._read, new, readers=self._readers), strict=True):
                if data is not None:
                    self._take(key, data)
                    self._listed.add(key)

    def learn(self, key: str) -> bool:
        """Reads a report or save, unless it is known or was refused; returns whether it is there."""
        if not self._is_new(key):
            return key not in self._refused
        data = self._read(key)
        return data is not None and self._take(key, data)

    def _is_new(self, key: str) -> bool:
        if key in self._refused:
            return False
        try:
            return self._history.record(keys.life_in(key)[0], key) is None
        except KeyRefused as refusal:
            self._refuse(key, refusal)
            return False

    def _read(self, key: str) -> bytes | RecordRefused | None:
        """What is stored; None if nothing is."""
        try:
            return self._store.read(key)
        except NotFound:
            return None
        except RecordRefused as refusal:
            return refusal

    def _take(self, key: str, data: bytes | RecordRefused) -> bool:
        """Applies what was read; returns whether it was taken."""
        try:
            if isinstance(data, RecordRefused):
                raise data
            member, incarnation = keys.life_in(key)
            report = decode_report(data, key=key)
            birth = self._check(report)
        except NewerFormat:
            raise  # nothing may be decided without it
        except RecordRefused as refusal:
            self._refuse(key, refusal)
            return False
        self._load_successors(member, incarnation)
        self._add(_lean(report, birth))
        self._to_fill.add(member)
        self._fresh.append(report)
        return True

    def _refuse(self, key: str, refusal: RecordRefused | KeyRefused) -> None:
        self._refused.add(key)
        self._on_refused(key, str(refusal))

    def _load_successors(self, member: int, incarnation: int) -> None:
        """Makes sure that the births which say whether a record counts are known."""
        newest = self._history.newest_birth(member)
        for later in range(incarnation + 1, newest.incarnation + 1 if newest else 0):
            if not self._birth(member, later).cause.resumes:
                return

    def _check(self, report: Report) -> Birth:
        birth: Birth | None = None
        with suppress(NotFound):
            birth = self._birth(report.member, report.incarnation)
        fault = report_fault(report, birth, interval_steps=self._interval_steps)
        if fault is not None or birth is None:
            raise RecordRefused(f"{report.key}: {fault}")
        return birth


def _lean(report: Report, birth: Birth) -> Report:
    """The report without what no decision looks at: thousands of them are kept."""
    return replace(report, hyperparameters=birth.hyperparameters, effective={}, files=[], notes=[])


def by_life(names: Iterable[str]) -> Iterator[tuple[Life, str]]:
    """The incarnation that each key speaks of, and the key; names that are none of ours are left out."""
    for key in names:
        with suppress(KeyRefused):
            yield keys.life_in(key), key


def _newest(names: Iterable[str], *, count: int) -> dict[int, list[str]]:
    """By member the keys of the newest reports: of its newest incarnations, of their latest rounds; ascending."""
    reports: dict[int, list[tuple[int, str]]] = {}
    for (member, incarnation), key in by_life(names):
        reports.setdefault(member, []).append((incarnation, key))
    return {member: [key for _, key in sorted(found)[-count:]] for member, found in reports.items()}
