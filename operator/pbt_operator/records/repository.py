"""The operator's side of the store: reads records into a `History`, incrementally, and writes them once.

At the start only names are listed, and each member's newest births and reports and the newest round are read. What
comes later, `pbt_operator.records.poller` finds.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim, Report
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Round
from pbt_operator.records.handovers import Handovers
from pbt_operator.records.parallel import read_all
from pbt_operator.records.poller import RECORDS_PER_MEMBER, Poller, by_life

R = TypeVar("R", bound=msgspec.Struct)
VOID = "void"
ROUNDS_KEPT = 4  # stragglers are judged by older ones


class Repository:
    """The records of one population, over one store.

    Attributes:
        history: what was read so far.
        ledger: counts over the whole life; None until `count` is called.
        yields: which processes were asked to go on as another member.
    """

    def __init__(
        self,
        store: Store,
        *,
        interval_steps: int,
        on_refused: Callable[[str, str], None],
        readers: int = 1,
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            interval_steps: between rounds; it can't change.
            readers: how many requests are made at once; what comes of them doesn't depend on it.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self.store = store
        self.history = History(kept_per_member=RECORDS_PER_MEMBER)
        self.ledger: Ledger | None = None
        self._interval_steps = interval_steps
        self._on_refused, self._readers = on_refused, readers
        self._poller = Poller(
            store,
            self.history,
            interval_steps=interval_steps,
            readers=readers,
            birth=self.birth,
            add=self._add_record,
            on_refused=on_refused,
        )
        self.yields = Handovers(store, on_refused=on_refused)
        self._claims: dict[Life, Claim] = {}
        self._unclaimed: set[Life] = set()  # in this pass
        self._rounds: dict[int, Round] = {}
        self._alone = True  # until a record shows that another operator is at work
        # What was sent and never answered: it may be stored all the same.
        self._round_in_doubt = False
        self._births_in_doubt: set[Life] = set()
        self._dead: list[str] = []

    # reading

    def load(self) -> None:
        """Learns what decisions need after a start, whatever came before it, and what retention is asked to keep."""
        newest = keys.newest_number(self.store.names(keys.ROUNDS))
        if newest:
            self.history.add_round(self.round(newest))
        self._load_lines(_newest_lives(self.store.names(keys.BIRTHS)))
        self._poller.load()
        self.yields.load()
        self.refresh()
        self.take_fresh()

    def count(self) -> None:
        """Begins to count, once loaded: reads every birth, and the names of all records."""
        ledger = Ledger()
        lives = [life for life, _ in by_life(self.store.names(keys.BIRTHS))]
        for birth in read_all(self.peek, lives, readers=self._readers):
            ledger.add_birth(birth)
        for (member, incarnation), key in by_life(
            [*self.store.names(keys.REPORTS), *self.store.names(keys.SAVES)]
        ):
            known = self.history.record(member, key)
            step = known.step if known else keys.step_in(key, self._interval_steps)
            ledger.add_record(member, incarnation, step)
        self.ledger = ledger

    def peek(self, life: Life) -> Birth:
        """One birth, which the history need not know or remember.

        Raises:
            NotFound: there is none.
        """
        return self.history.birth(*life) or self._read(Birth, keys.birth(*life))

    def _add_birth(self, birth: Birth) -> None:
        self.history.add_birth(birth)
        if self.ledger is not None:
            self.ledger.add_birth(birth)

    def _load_lines(self, newest: Mapping[int, int]) -> None:
        """Reads the newest births, and those before them as far as they go on with one another."""
        lives = [Life(member, incarnation) for member, incarnation in newest.items()]
        while lives:
            births = read_all(self.peek, lives, readers=self._readers)
            for birth in births:
                self._add_birth(birth)
            lives = [
                Life(b.member, b.incarnation - 1) for b in births if b.cause.resumes and b.incarnation > 1
            ]

    def refresh(self) -> None:
        """Begins a pass: learns of the reports that are new since the last time."""
        self._settle_doubts()
        self._unclaimed.clear()
        self._poller.refresh()

    def glance(self, members: Collection[int]) -> None:
        """Begins a pass without a listing: learns of the next reports of these members only."""
        self._settle_doubts()
        self._unclaimed.clear()
        self._poller.glance(members)

    def catch_up(self, member: int) -> None:
        """Lists the member's records once more, saves included: what a resume must not miss."""
        self._poller.catch_up(member)

    def take_fresh(self) -> list[Report]:
        """The records that were learned since the last call; those of `load` aren't news."""
        return self._poller.take_fresh()

    def _settle_doubts(self) -> None:
        if self._round_in_doubt:
            self.learn_rounds()
        for life in sorted(self._births_in_doubt):
            self.learn_birth(*life)
            self._births_in_doubt.discard(life)
        self.yields.settle_doubts()

    def _add_record(self, record: Report) -> None:
        self.history.add_record(record)
        if self.ledger is not None:
            self.ledger.add_record(record.member, record.incarnation, record.step)

    def birth(self, member: int, incarnation: int) -> Birth:
        """One birth. If it is newer than all that were known, another operator ordered it, and those before it.

        Raises:
            NotFound: there is none.
        """
        known = self.history.birth(member, incarnation)
        if known is not None:
            return known
        found = self._read(Birth, keys.birth(member, incarnation))
        newest = self.history.newest_birth(member)
        self._alone = self._alone and newest is not None and newest.incarnation > incarnation
        for earlier in range(newest.incarnation + 1 if newest else 1, incarnation):
            self._add_birth(self._read(Birth, keys.birth(member, earlier)))
        self._add_birth(found)
        return found

    def learn_birth(self, member: int, incarnation: int) -> None:
        """Learns of a birth, if it is there and newer than all that were known."""
        newest = self.history.newest_birth(member)
        if newest is None or newest.incarnation < incarnation:
            with suppress(NotFound):
                self.birth(member, incarnation)

    def learn_births(self) -> None:
        """Learns of all that other operators have ordered, if there are others: what retention must not miss."""
        if not self._alone:
            for member, incarnation in _newest_lives(self.store.names(keys.BIRTHS)).items():
                self.learn_birth(member, incarnation)

    def round(self, number: int) -> Round:
        """One decided round.

        Raises:
            NotFound: it wasn't decided (yet).
        """
        if number not in self._rounds:
            self._remember(self._read(Round, keys.round_(number)))
        return self._rounds[number]

    def _remember(self, decided: Round) -> None:
        while len(self._rounds) >= ROUNDS_KEPT:
            del self._rounds[min(self._rounds)]
        self._rounds[decided.number] = decided

    def claim(self, birth: Birth) -> Claim | None:
        """Who took a birth, if anybody did."""
        life = birth.life
        if life not in self._claims and life not in self._unclaimed:
            self._keep_claim(life, self._read_claim(life))
        return self._claims.get(life)

    def learn_claims(self, births: Iterable[Birth]) -> None:
        """Looks at once who took each of these; that nobody has, is remembered to the end of the pass."""
        lives = [birth.life for birth in births]
        unknown = [life for life in lives if life not in self._claims and life not in self._unclaimed]
        for life, claim in zip(
            unknown, read_all(self._read_claim, unknown, readers=self._readers), strict=True
        ):
            self._keep_claim(life, claim)
            if claim is None:
                self._unclaimed.add(life)

    def _read_claim(self, life: Life) -> Claim | RecordRefused | None:
        try:
            return self._read(Claim, keys.claim(*life))
        except NotFound:
            return None
        except NewerFormat:
            raise
        except RecordRefused as refusal:
            return refusal

    def _keep_claim(self, life: Life, claim: Claim | RecordRefused | None) -> None:
        if isinstance(claim, RecordRefused):  # somebody has it all the same: nobody else can take it any more
            self._on_refused(keys.claim(*life), str(claim))
            claim = Claim(member=life[0], incarnation=life[1], pod="", nonce="")
        if claim is not None:
            self._claims[life] = claim

    def learn_source(self, birth: Birth) -> Report | None:
        """The record that a birth starts from, if it starts from one."""
        if birth.source is None or not self._poller.learn(birth.source.record):
            return None
        return self.history.record(birth.source.member, birth.source.record)

    def _read(self, kind: type[R], key: str) -> R:
        return decode(kind, self.store.read(key), key=key)

    # writing; each returns what is stored, which another operator may have written first

    def write_birth(self, birth: Birth) -> Birth:
        """Orders an incarnation; returns the birth that is stored, which another operator may have written."""
        return self.write_births([birth])[0]

    def write_births(self, births: Sequence[Birth]) -> list[Birth]:
        """Orders incarnations of different members at once."""
        self._births_in_doubt |= {birth.life for birth in births}
        written = read_all(
            lambda birth: self._create(birth, keys.birth(birth.member, birth.incarnation)),
            births,
            readers=self._readers,
        )
        for birth, stored in zip(births, written, strict=True):
            self._births_in_doubt.discard(birth.life)
            self._alone = self._alone and stored == birth
            if stored == birth:  # a moment ago; who takes it over in place, is seen in the next pass
                self._unclaimed.add(birth.life)
            self._add_birth(stored)
            if birth.incarnation > 1:
                former = Life(birth.member, birth.incarnation - 1)
                self._dead.append(keys.checkpoints_of(*former))
                self._claims.pop(former, None)
        return written

    def abandon_uploads(self, *, most: int) -> int:
        """Drops unfinished uploads of so many superseded incarnations at most; returns how many are left."""
        some = self._dead[:most]
        read_all(self.store.abandon_uploads, some, readers=self._readers)
        del self._dead[: len(some)]
        return len(self._dead)

    def write_round(self, decided: Round) -> Round:
        """Records a round's decisions; returns the newest round, which is a later one if another operator is ahead."""
        before, self._round_in_doubt = self.history.decided, True
        stored = self._create(decided, keys.round_(decided.number))
        self._alone = self._alone and stored == decided
        self._remember(stored)
        self.history.add_round(stored)
        self._learn_rounds(since=before)
        return self.history.newest_round or stored

    def learn_rounds(self) -> None:
        """Learns of the newest round: the donors of one that another operator has left behind may be deleted."""
        self._learn_rounds(since=self.history.decided)

    def _learn_rounds(self, *, since: int) -> None:
        """Learns of the newest round after that one, whoever recorded it."""
        names = list(self.store.names(keys.ROUNDS, start_after=keys.round_(since)))
        newest = keys.newest_number(names)
        if newest:
            self.history.add_round(self.round(newest))
        self._alone = self._alone and len(names) <= 1
        self._round_in_doubt = False

    def void(self, birth: Birth, *, pod: str) -> Claim:
        """Takes an unclaimed birth away from a process that is over, so that it can never start."""
        life = birth.life
        claim = Claim(member=life[0], incarnation=life[1], pod=pod, nonce=VOID, void=True)
        self._claims[life] = self._create(claim, keys.claim(*life))
        return self._claims[life]

    def _create(self, record: R, key: str) -> R:
        return decode(type(record), self.store.create(key, encode(record)), key=key)


def _newest_lives(names: Iterable[str]) -> dict[int, int]:
    """By member, the newest incarnation that has a birth."""
    newest: dict[int, int] = {}
    for (member, incarnation), _ in by_life(names):
        newest[member] = max(incarnation, newest.get(member, 0))
    return newest
