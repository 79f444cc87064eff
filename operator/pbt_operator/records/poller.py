"""Finds the reports and saves that are new: by one listing, and by the known keys of those whom it doesn't show.

At the start each member's newest reports are read; then one listing shows all that is new, and a laggard's next report
has a known key. What a poll costs follows from what is new and who lags, not from how much is known.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.counting import report_fault
from pbt_contract.encoding import decode_report
from pbt_contract.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Report
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.history import History
from pbt_operator.core.listing import first_round
from pbt_operator.records.birth_log import BirthLog, by_life
from pbt_operator.records.parallel import read_each

# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16
AT_ONCE = 256  # reports that are read before they are handed over


class Arrival(NamedTuple):
    """A report or save that was read and may be believed, with the birth of the life that wrote it."""

    report: Report
    birth: Birth


def lean(report: Report, birth: Birth) -> Report:
    """The report without what no decision looks at: thousands of them are kept."""
    return replace(report, hyperparameters=birth.hyperparameters, effective={}, files=[], notes=[])


class Poller:
    """Reads what trainers record, each record once.

    What it reads it hands over, one arrival after the other; each is to be added to the history before the next one is
    asked for. What is left to read is kept here: the keys that a listing has shown, the members whose reports have
    gaps, and the members to be asked for the report that follows.
    """

    def __init__(
        self,
        store: Store,
        history: History,
        births: BirthLog,
        *,
        interval_steps: int,
        readers: int,
        on_refused: Callable[[str, str], None],
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: what is known so far.
            births: of the same population.
            interval_steps: between rounds.
            readers: how many records are read at once; they are handed over in the order of their keys all the same.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self._store, self._history, self._births = store, history, births
        self._interval_steps, self._on_refused, self._readers = interval_steps, on_refused, readers
        self._refused: set[str] = set()
        self._listed: set[str] = set()  # keys that were dealt with, as far as a listing may show them again
        self._read_up_to: dict[Life, int] = {}  # the round up to which all reports are known
        self._to_read: deque[str] = deque()
        self._to_fill: set[int] = set()  # members with news
        self._to_ask: deque[int] = deque()

    # what to look for

    def begin_load(self) -> None:
        """The newest reports of each member: all that are kept, for the best may be any of them."""
        newest = _newest(self._store.names(keys.REPORTS), count=RECORDS_PER_MEMBER)
        self._to_read = deque(key for found in newest.values() for key in found)

    def begin(self) -> None:
        """The reports that are new since the last time."""
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
        names = self._store.names(keys.REPORTS, start_after=start)
        self._to_read = deque(key for key in names if key not in self._listed)
        self._to_ask = deque(member for member, number in following.items() if number < first)

    def begin_glance(self, members: Collection[int]) -> None:
        """The next reports of a few members, without a listing."""
        self._to_read.clear()
        self._to_ask = deque(m for m in sorted(members) if self._history.newest_birth(m) is not None)

    def _laggards(self) -> list[int]:
        """Members that may still report a round that is decided, or one before it."""
        step, history = self._history.decided * self._interval_steps, self._history
        behind = [m for m in history.members if history.position(m) < step and not history.has_ended(m)]
        return [member for member in behind if not self._newest_birth(member).cause.closes]

    @property
    def num_to_read(self) -> int:
        """How many reports are known by name only."""
        return len(self._to_read)

    @property
    def num_to_ask(self) -> int:
        """How many members are to be asked for reports whose keys follow from those known."""
        return len(self._to_fill | set(self._to_ask))

    # reading

    def arrivals(self, allowance: Allowance) -> Iterator[Arrival]:
        """Reads what there is to read, until nothing is left or the allowance is spent."""
        while self._to_read or self._to_fill or self._to_ask:
            if self._to_read:
                yield from self.listed(allowance)
            elif self._to_fill:
                yield from self._fill_all(allowance)
            else:
                yield from self._ask(allowance)
            if allowance.is_spent:
                return

    def listed(self, allowance: Allowance) -> Iterator[Arrival]:
        """Only the reports that are known by name, in the order of their names."""
        while self._to_read:
            some = list(islice(self._to_read, allowance.at_once(AT_ONCE)))
            new = [key for key in some if self._is_new(key)]
            self._listed.update(set(some).difference(new))
            for key, data in zip(new, self._read(new, allowance), strict=True):
                if data is not None:
                    if arrival := self._take(key, data):
                        yield arrival
                    self._listed.add(key)
            for _ in some:
                self._to_read.popleft()
            if allowance.is_spent:
                return

    def note_loaded(self) -> None:
        """Everything that `begin_load` named was read: what lies before it isn't asked for."""
        for key in self._listed:
            life, before = keys.life_in(key), keys.number_in(key.split("/")[1]) - 1
            self._read_up_to[life] = min(before, self._read_up_to.get(life, before))

    def named(self, key: str) -> Iterator[Arrival]:
        """One report or save, unless it is known or was refused."""
        if self._is_new(key):
            yield from self._named(key, Allowance())

    def _named(self, key: str, allowance: Allowance) -> Iterator[Arrival]:
        (data,) = self._read([key], allowance)
        if data is not None and (arrival := self._take(key, data)):
            yield arrival

    def catch_up(self, member: int) -> Iterator[Arrival]:
        """Whatever the member's newest life has recorded, saves included."""
        saves = list(self._store.names(keys.saves_of(*self._newest_birth(member).life)))
        if saves:
            yield from self.named(saves[-1])
        self._to_fill.add(member)
        self._to_ask.append(member)
        yield from self.arrivals(Allowance())

    def _fill_all(self, allowance: Allowance) -> Iterator[Arrival]:
        for member in sorted(self._to_fill):
            yield from self._fill(member, allowance)
            if allowance.is_spent:
                return

    def _fill(self, member: int, allowance: Allowance) -> Iterator[Arrival]:
        """The reports of the newest life between those known: a laggard may have caught up meanwhile."""
        life = self._newest_birth(member).life
        known = self._next_round(member) - 1
        own = (r for r in self._history.line_records(member) if r.incarnation == life.incarnation)
        newest = max((report.round for report in own if report.round is not None), default=known)
        for number in range(known + 1, newest + 1):
            key = keys.report(number, *life)
            if self._is_new(key):
                yield from self._named(key, allowance)
            self._read_up_to[life] = number
            if allowance.is_spent and number < newest:
                return
        self._to_fill.discard(member)

    def _ask(self, allowance: Allowance) -> Iterator[Arrival]:
        """The report that follows those known, of each member to be asked; who has made it, is asked again."""
        some = [self._to_ask.popleft() for _ in range(allowance.at_once(len(self._to_ask)))]
        found = {key: member for member in some if (key := self._next_key(member)) not in self._refused}
        for (key, member), data in zip(found.items(), self._read(list(found), allowance), strict=True):
            if data is not None and (arrival := self._take(key, data)):
                yield arrival
                self._to_ask.append(member)

    def _next_round(self, member: int) -> int:
        """The round that the newest life reports next, as far as is known; no trainer ever skips one."""
        birth = self._newest_birth(member)
        return self._read_up_to.setdefault(birth.life, birth.start_step // self._interval_steps) + 1

    def _next_key(self, member: int) -> str:
        return keys.report(self._next_round(member), *self._newest_birth(member).life)

    def _newest_birth(self, member: int) -> Birth:
        birth = self._history.newest_birth(member)
        assert birth is not None, "only who was born is known"
        return birth

    # one record

    def _is_new(self, key: str) -> bool:
        if key in self._refused:
            return False
        try:
            return self._history.record(keys.life_in(key).member, key) is None
        except KeyRefused as refusal:
            self._refuse(key, refusal)
            return False

    def _read(self, names: Sequence[str], allowance: Allowance) -> list[bytes | RecordRefused | None]:
        """What is stored under each; None where nothing is."""
        found = read_each(self._store, names, readers=self._readers)
        size = sum(len(data) for data in found if isinstance(data, bytes))
        allowance.spend(reads=len(found), size=size)
        return found

    def _take(self, key: str, data: bytes | RecordRefused) -> Arrival | None:
        """The report, if it can be believed."""
        try:
            if isinstance(data, RecordRefused):
                raise data
            report = decode_report(data, key=key)
            birth = self._check(report)
        except NewerFormat:
            raise  # nothing may be decided without it
        except RecordRefused as refusal:
            self._refuse(key, refusal)
            return None
        self._births.learn_successors(report.member, report.incarnation)
        self._to_fill.add(report.member)
        return Arrival(report, birth)

    def _refuse(self, key: str, refusal: RecordRefused | KeyRefused) -> None:
        self._refused.add(key)
        self._on_refused(key, str(refusal))

    def _check(self, report: Report) -> Birth:
        birth: Birth | None = None
        with suppress(NotFound):
            birth = self._births.birth(report.member, report.incarnation)
        fault = report_fault(report, birth, interval_steps=self._interval_steps)
        if fault is not None or birth is None:
            raise RecordRefused(f"{report.key}: {fault}")
        return birth


def _newest(names: Iterable[str], *, count: int) -> dict[int, list[str]]:
    """By member the keys of the newest reports: of its newest incarnations, of their latest rounds; ascending."""
    reports: dict[int, list[tuple[int, str]]] = {}
    for (member, incarnation), key in by_life(names):
        reports.setdefault(member, []).append((incarnation, key))
    return {member: [key for _, key in sorted(found)[-count:]] for member, found in reports.items()}
