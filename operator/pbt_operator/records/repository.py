"""The operator's side of the store: reads records into a `History`, incrementally, and writes them once.

At the start only names are listed, and each member's newest births and reports and the newest round are read. What
comes later, `pbt_operator.records.poller` finds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum, auto
from typing import Any

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim, Report
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.core.history import History
from pbt_operator.core.news import News, news_of
from pbt_operator.core.round_record import Round
from pbt_operator.core.wire import MAX_STEPS
from pbt_operator.records.arrivals import RECORDS_PER_MEMBER, Arrival, lean
from pbt_operator.records.birth_log import BirthLog
from pbt_operator.records.claim_log import ClaimLog
from pbt_operator.records.end_log import EndLog
from pbt_operator.records.gate_log import GateLog
from pbt_operator.records.handovers import Handovers
from pbt_operator.records.ledger_log import LedgerLog
from pbt_operator.records.metered import Metered
from pbt_operator.records.parallel import abandon_each
from pbt_operator.records.poller import Poller
from pbt_operator.records.round_log import RoundLog


class _Load(Enum):
    """How far the first reading is."""

    NAMES = auto()
    BIRTHS = auto()
    REPORTS = auto()
    NEWS = auto()


class Repository:
    """The records of one population, over one store.

    Attributes:
        store: with a count of what is read.
        history: what was read so far.
        rounds: those that are decided.
        claims: who took which birth.
        ends: how lives ended.
        yields: which processes were asked to go on as another member.
        gates: how far members may train.
        ledgers: what the history counts over its whole life.
        names: of what trainers record.
    """

    def __init__(
        self,
        store: Store,
        *,
        interval_steps: int,
        last_step: int = MAX_STEPS,
        objective: str | None = None,
        on_refused: Callable[[str, str], None],
        readers: int = 1,
        is_alone: bool = False,
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            interval_steps: between rounds; it can't change.
            last_step: the last one that any accepted spec has asked for.
            objective: the metric that is compared; None keeps all in memory.
            readers: how many requests are made at once; what comes of them doesn't depend on it.
            on_refused: called once for each record that is refused, with its key and the reason.
            is_alone: whether nobody else can write rounds and births here.
        """
        self.store = store = Metered(store)
        self.history = History(kept_per_member=RECORDS_PER_MEMBER)
        self.yields = Handovers(store, on_refused=on_refused)
        self._readers, self._objective = readers, objective
        self._births, self.gates = BirthLog(store, self.history, readers=readers), GateLog(store)
        self.rounds = RoundLog(store, self.history, readers=readers, is_alone=is_alone)
        shared: dict[str, Any] = {"readers": readers, "on_refused": on_refused}
        self.claims = ClaimLog(store, self.history, **shared)
        self.ends = EndLog(store, self.history.ends, **shared)
        shared |= {"interval_steps": interval_steps, "last_step": last_step}
        self._poller = Poller(store, self.history, self._births, **shared)
        self.names, scale = self._poller.names, {"interval_steps": interval_steps, "readers": readers}
        self.ledgers = LedgerLog(store, self.history, self._births, self.names, **scale)
        self._load = _Load.NAMES
        self._fresh: list[News] = []
        self._dead: list[str] = []

    # reading

    def load(self, allowance: Allowance | None = None) -> Cursor | None:
        """Learns what decisions need after a start, whatever came before it, and what retention is asked to keep.

        Args:
            allowance: what it may spend; None is as much as it takes.

        Returns:
            What is left, if the allowance was spent: call it again with another one. None once everything is read.
        """
        allowance = allowance or Allowance()
        if self._load is _Load.NAMES:
            parts = (self.rounds.load, self._births.begin_load, self.yields.load, self.ends.load)
            if not all(load(allowance) for load in parts):  # what is whole takes nothing
                return Cursor(names=1)
            self.gates.load()
            self.history.has_reported = any(self.store.names(keys.REPORTS))
            self.history.has_recorded = self.history.has_reported or any(self.store.names(keys.SAVES))
            self._load = _Load.BIRTHS
        if self._load is _Load.BIRTHS:
            self._births.load(allowance)
            self._poller.begin_load(allowance)
            if self._births.unread or self.names.is_listing:
                return self._cursor()
            self._load = _Load.REPORTS
        if self._load is _Load.REPORTS:
            self._add(self._poller.listed(allowance))
            if self._poller.num_to_read:
                return self._cursor()
            self._poller.note_loaded()
            left = self.refresh(allowance)
            self._load = _Load.NEWS
        else:
            left = self.read_on(allowance)
        if left is None:
            self.take_fresh()
        return left

    def count(
        self, *, takeovers: bool, total_steps: int = MAX_STEPS, allowance: Allowance | None = None
    ) -> Ledger | None:
        """Lets the history count from now on, once loaded; see `LedgerLog.count`.

        Args:
            takeovers: whether it reads the claims of the births that rounds decided, too.
            total_steps: of each member; the last round may be shorter than the others.
            allowance: what it may spend; None is as much as it takes.
        """
        claims = self.claims if takeovers else None
        return self.ledgers.count(allowance or Allowance(), total_steps=total_steps, claims=claims)

    def refresh(self, allowance: Allowance | None = None) -> Cursor | None:
        """Begins a pass: learns of the reports that are new since the last time.

        Args:
            allowance: what it may spend; None is as much as it takes.

        Returns:
            What is left, if the allowance was spent: `read_on` goes on with it. None if everything is read.
        """
        allowance = allowance or Allowance()
        self._begin_pass()
        self._poller.begin(allowance)
        return self._read(allowance)

    def glance(self, members: Collection[int], allowance: Allowance | None = None) -> Cursor | None:
        """As `refresh`, without a listing: learns of the next reports of these members only."""
        self._begin_pass()
        self._poller.begin_glance(members)
        return self._read(allowance)

    def read_on(self, allowance: Allowance | None = None) -> Cursor | None:
        """As `refresh`, with what the pass before has left."""
        self._begin_pass()
        return self._read(allowance)

    def _begin_pass(self) -> None:
        self.rounds.settle_doubts()
        self._births.settle_doubts()
        self.yields.settle_doubts()
        self.claims.begin_pass()

    def _read(self, allowance: Allowance | None) -> Cursor | None:
        self._add(self._poller.arrivals(allowance or Allowance()))
        return self._cursor()

    def _cursor(self) -> Cursor | None:
        births, reports = len(self._births.unread), self._poller.num_to_read
        left = Cursor(births=births, reports=reports, members=self._poller.num_to_ask)
        return None if left == Cursor() else left

    def _add(self, arrivals: Iterable[Arrival]) -> None:
        """Learns of each before the next one is looked for."""
        for report, birth in arrivals:
            self.history.add_record(lean(report, birth, objective=self._objective))
            self._fresh.append(news_of(report, birth))

    def catch_up(self, member: int) -> None:
        """Lists the member's records once more, saves included: what a resume must not miss."""
        self._add(self._poller.catch_up(member))

    def take_fresh(self) -> list[News]:
        """Of the records that were learned since the last call; those of `load` aren't news."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def learn_source(self, birth: Birth) -> Report | None:
        """The record that a birth starts from, if it starts from one."""
        if birth.source is None:
            return None
        self.learn_record(birth.source.record)
        return self.history.record(birth.source.member, birth.source.record)

    def learn_record(self, key: str) -> None:
        """Learns of one report or save, unless it is known."""
        self._add(self._poller.named(key))

    # births

    def birth(self, member: int, incarnation: int) -> Birth:
        """One birth. If it is newer than all that were known, another operator ordered it, and those before it.

        Raises:
            NotFound: there is none.
        """
        return self._births.birth(member, incarnation)

    def peek(self, life: Life) -> Birth:
        """One birth, which the history need not know or remember.

        Raises:
            NotFound: there is none.
        """
        return self._births.peek(life)

    def learn_birth(self, member: int, incarnation: int) -> None:
        """Learns of a birth, if it is there and newer than all that were known."""
        self._births.learn(member, incarnation)

    def learn_births(self, allowance: Allowance, *, in_company: bool = False) -> bool:
        """Whether all is known that other operators have ordered, if there are others: retention must not miss it."""
        self._births.alone = self._births.alone and not in_company
        return (self._births.alone and self.rounds.alone) or self._births.learn_newest(allowance)

    def write_births(self, births: Sequence[Birth]) -> list[Birth]:
        """Orders incarnations of different members at once.

        Returns:
            What is stored of each, which another operator may have written first.
        """
        written = self._births.write(births)
        for birth, stored in zip(births, written, strict=True):
            self.history.add_birth(stored)
            if stored == birth:
                self.claims.note_new(birth)
            if birth.incarnation > 1:
                former = Life(birth.member, birth.incarnation - 1)
                self._dead.append(keys.checkpoints_of(*former))
                self.claims.forget(former)
        return written

    # claims

    def claim(self, birth: Birth) -> Claim | None:
        """Who took a birth, if anybody did."""
        return self.claims.claim(birth)

    def learn_claims(self, births: Iterable[Birth]) -> None:
        """Looks at once who took each of these; that nobody has, is remembered to the end of the pass."""
        self.claims.learn(births)

    def abandon_uploads(self, *, most: int) -> int:
        """Drops unfinished uploads of so many superseded incarnations at most; returns how many are left."""
        some = self._dead[:most]
        abandon_each(self.store, some, writers=self._readers)
        del self._dead[: len(some)]
        return len(self._dead)

    # rounds

    def round(self, number: int) -> Round:
        """One decided round.

        Raises:
            NotFound: it wasn't decided (yet).
        """
        return self.rounds.round(number)

    def look_back(self, rounds: int) -> None:
        """Lets the history have so many of the newest rounds: as many as the rules look at."""
        self.rounds.look_back(rounds)

    def write_round(self, decided: Round) -> Round:
        """Records a round's decisions; returns the newest round, which is a later one if another operator is ahead."""
        return self.rounds.write(decided)

    def learn_rounds(self) -> None:
        """Learns of the newest round: the donors of one that another operator has left behind may be deleted."""
        self.rounds.learn()
