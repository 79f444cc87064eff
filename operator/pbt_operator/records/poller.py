"""Finds the reports and saves that are new: by one listing, and by the known keys of those whom it doesn't show.

At the start each member's newest reports are read; then one listing shows all that is new, and a laggard's next report
has a known key. What a poll costs follows from what is new and who lags, not from how much is known, nor from what
anybody has put there: names of rounds that nobody is asked to train aren't looked at, and where there are more names
than members can have made, each member's next report is asked for by its key instead.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import suppress
from itertools import islice

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
from pbt_operator.records.arrivals import RECORDS_PER_MEMBER, Arrival, too_much_held
from pbt_operator.records.birth_log import BirthLog
from pbt_operator.records.parallel import read_each
from pbt_operator.records.refusals import Refusals
from pbt_operator.records.report_names import ReportNames

AT_ONCE = 256  # reports that are looked at together


class Poller:
    """Reads what trainers record, each record once.

    It hands over one arrival after the other; each is to be added to the history before the next one is asked for. What
    is left to read is kept here: keys that were listed, members with gaps, and members to be asked.

    Attributes:
        names: of what trainers record.
    """

    def __init__(
        self,
        store: Store,
        history: History,
        births: BirthLog,
        *,
        interval_steps: int,
        last_step: int,
        readers: int,
        on_refused: Callable[[str, str], None],
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: what is known so far.
            births: of the same population.
            interval_steps: between rounds.
            last_step: the last one that any accepted spec has asked for; what is past it is refused.
            readers: how many records are read at once; they are handed over in the order of their keys all the same.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self._store, self._history, self._births = store, history, births
        self._interval_steps, self._readers, self._refused = interval_steps, readers, Refusals(on_refused)
        self.names = ReportNames(store, self._refused, interval_steps=interval_steps, last_step=last_step)
        self._read_up_to: dict[Life, int] = {}  # the round up to which all reports are known
        self._reported: dict[Life, int] = {}  # the newest round that is known
        self._to_read: deque[str] = deque()
        self._to_fill: set[int] = set()  # members with news
        self._to_ask: deque[int] = deque()

    # what to look for

    def begin_load(self, allowance: Allowance) -> None:
        """The newest reports of each member, for the best may be any of them; none while births or names are unread."""
        if self._births.unread:
            return
        born = {member: self._newest_birth(member).incarnation for member in self._history.members}
        self._to_read = deque(self.names.newest_reports(born, RECORDS_PER_MEMBER, allowance))

    def begin(self, allowance: Allowance) -> None:
        """The reports that are new since the last time; a page of their names counts as a read."""
        following = {member: self._next_round(member) for member in self._laggards()}
        first = first_round(
            Counter(following.values()),
            decided=self._history.decided,
            newest=max(self._history.rounds_seen(), default=0),
            members=len(self._history.members),
        )
        start = keys.reports_of(first)
        self._forget(start)
        self.names.held = too_much_held(self._history)
        if self.names.held is not None:
            self._read_what_is_lacking(self._history.members)
            return
        names = self.names.since(start, allowance, members=len(self._history.members))
        if names is None:
            self.begin_glance(self._history.members)
            return
        self._to_read = deque(key for key in names if key not in self.names.seen)
        self._to_ask = deque(member for member, number in following.items() if number < first)

    def _read_what_is_lacking(self, members: Collection[int]) -> None:
        """Of the next round: whoever is ahead of it isn't read."""
        self.begin_glance([m for m in members if self._next_round(m) <= self._history.decided + 1])

    def _forget(self, start: str) -> None:
        """Drops what the listing from there on doesn't show again, and nobody asks for."""
        self.names.seen = {key for key in self.names.seen if key > start}
        members = self._history.members
        if len(self._read_up_to) > 2 * len(members):
            newest = {self._newest_birth(member).life for member in members}
            self._read_up_to = {life: number for life, number in self._read_up_to.items() if life in newest}
            self._reported = {life: number for life, number in self._reported.items() if life in newest}
        if len(self._refused) > 2 * len(members) + AT_ONCE:
            asked = {self._next_key(member) for member in members}
            self._refused.keep(lambda key: key > start or key in asked)

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
        """How many reports are known by name only, or one where there may be more."""
        return len(self._to_read) + self.names.is_listing

    @property
    def num_to_ask(self) -> int:
        """How many members are to be asked for reports whose keys follow from those known."""
        return len(self._to_fill | set(self._to_ask))

    # reading

    def arrivals(self, allowance: Allowance) -> Iterator[Arrival]:
        """Reads what there is to read, until nothing is left or the allowance is spent."""
        while self._to_read or self._to_fill or self._to_ask:
            if self._to_read:
                yield from self.listed(allowance, most_held=True)
            elif self._to_fill:
                yield from self._fill_all(allowance)
            else:
                yield from self._ask(allowance)
            if allowance.is_spent:
                return

    def listed(self, allowance: Allowance, *, most_held: bool = False) -> Iterator[Arrival]:
        """Only the reports that are known by name, in the order of their names; where asked, as many as are held."""
        while self._to_read:
            some = list(islice(self._to_read, allowance.at_once(AT_ONCE)))
            done = {key for key in some if not self._is_new(key)}
            self.names.seen |= done
            new = [key for key in some if key not in done]
            for key, data in zip(new, self._read(new, allowance), strict=True):
                if data is not None:
                    if arrival := self._take(key, data, allowance):
                        yield arrival
                    self.names.seen.add(key)
                done.add(key)
                if allowance.is_spent:
                    break
            while self._to_read and self._to_read[0] in done:
                self._to_read.popleft()
            if allowance.is_spent:
                return
            if most_held and too_much_held(self._history) is not None:
                self._read_what_is_lacking(self._history.members)

    def note_loaded(self) -> None:
        """Everything that `begin_load` named was read: what lies before it isn't asked for."""
        for key in self.names.seen:
            life, before = keys.life_in(key), keys.number_in(key.split("/")[1]) - 1
            self._read_up_to[life] = min(before, self._read_up_to.get(life, before))

    def named(self, key: str) -> Iterator[Arrival]:
        """One report or save, unless it is known or was refused."""
        if self._is_new(key):
            yield from self._named(key, Allowance())

    def _named(self, key: str, allowance: Allowance) -> Generator[Arrival, None, bool]:
        """Whether something is stored there."""
        (data,) = self._read([key], allowance)
        if data is not None and (arrival := self._take(key, data, allowance)):
            yield arrival
        return data is not None

    def catch_up(self, member: int) -> Iterator[Arrival]:
        """Whatever the member's newest life has recorded, saves included."""
        newest = self.names.newest_save(self._newest_birth(member).life)
        if newest is not None:
            yield from self.named(newest)
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
        newest = self._reported.get(life, known)
        for number in range(known + 1, newest + 1):
            key = keys.report(number, *life)
            if self._is_new(key) and not (yield from self._named(key, allowance)):
                self._read_up_to[life] = newest  # no trainer skips one: the others aren't there either
                break
            self._read_up_to[life] = number
            if allowance.is_spent and number < newest:
                return
        self._to_fill.discard(member)

    def _ask(self, allowance: Allowance) -> Iterator[Arrival]:
        """The report that follows those known, of each member to be asked; who has made it, is asked again."""
        some = [self._to_ask.popleft() for _ in range(allowance.at_once(len(self._to_ask)))]
        found = {key: member for member in some if (key := self._next_key(member)) not in self._refused}
        left = deque(found.values())
        for (key, member), data in zip(found.items(), self._read(list(found), allowance), strict=True):
            left.popleft()
            if data is not None and (arrival := self._take(key, data, allowance)):
                yield arrival
                self._to_ask.append(member)
            if allowance.is_spent:
                break
        self._to_ask.extendleft(reversed(left))
        if too_much_held(self._history) is not None:
            self._read_what_is_lacking(self._to_ask)

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
            self._refused.add(key, refusal)
            return False

    def _read(self, names: Sequence[str], allowance: Allowance) -> Iterator[bytes | RecordRefused | None]:
        """What is stored under each; None where nothing is."""
        for data in read_each(self._store, names, readers=self._readers):
            allowance.spend(reads=1, size=len(data) if isinstance(data, bytes) else 0)
            yield data

    def _take(self, key: str, data: bytes | RecordRefused, allowance: Allowance) -> Arrival | None:
        """The report, if it can be believed."""
        try:
            if isinstance(data, RecordRefused):
                raise data
            report = decode_report(data, key=key)
            birth = self._check(report, allowance)
        except NewerFormat:
            raise  # nothing may be decided without it
        except RecordRefused as refusal:
            self._refused.add(key, refusal)
            return None
        with self._births.charged_to(allowance):
            self._births.learn_successors(report.member, report.incarnation)
        self._to_fill.add(report.member)
        if report.round is not None:
            self._reported[report.life] = max(report.round, self._reported.get(report.life, 0))
        return Arrival(report, birth)

    def _check(self, report: Report, allowance: Allowance) -> Birth:
        birth: Birth | None = None
        with suppress(NotFound), self._births.charged_to(allowance):
            birth = self._births.birth(report.member, report.incarnation)
        interval, last = self._interval_steps, self.names.last_step
        fault = report_fault(report, birth, interval_steps=interval, last_step=last)
        if fault is not None or birth is None:
            raise RecordRefused(f"{report.key}: {fault}")
        return birth
