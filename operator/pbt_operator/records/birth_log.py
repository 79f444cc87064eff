"""The births of one population: read as they are needed, written once."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import KeyRefused, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.crashed import AFTER_CRASHES
from pbt_operator.core.history import History
from pbt_operator.records.paged_names import PagedNames
from pbt_operator.records.parallel import create_each, decoded, read_each

UNROUNDED = frozenset({Cause.SCALE, Cause.REMOVED})
"""The causes of births that may come at any time since the newest round."""

MOST_AHEAD = 500  # births of one member, that another operator may have ordered while this one was at work


class BirthLog:
    """Reads births into a history and writes them.

    Attributes:
        store: opened at the population's location.
        alone: whether no birth shows that another operator is at work.
        unread: whose births `load` has still to read.
    """

    def __init__(self, store: Store, history: History, *, readers: int) -> None:
        """Reads nothing yet; later, so many births at once."""
        self.store, self._history, self._readers = store, history, readers
        self.alone = True
        self._num_read = 0
        self.unread: deque[Life] = deque()
        self._listed, self._newest = PagedNames.below(store, keys.BIRTHS), dict[int, int]()
        self._relisted = PagedNames.below(store, keys.BIRTHS), dict[int, int]()
        self._in_doubt: set[Life] = set()  # sent and never answered: they may be stored all the same

    # reading

    def begin_load(self, allowance: Allowance) -> bool:
        """Learns each member's newest birth by name; returns whether that was all."""
        if not self._listed.is_whole:
            newest_lives(self._listed.go_on(allowance), self._newest)
            if self._listed.is_whole:
                self.unread = deque(Life(*newest) for newest in self._newest.items())
                self._newest.clear()
        return self._listed.is_whole

    def load(self, allowance: Allowance) -> None:
        """Reads those that are `unread`, and those before them as far as they go on with one another or crashed."""
        while self.unread:
            some = list(islice(self.unread, allowance.at_once(len(self.unread))))
            births = self.peek_all(some)
            allowance.spend(reads=len(some))
            for birth in births:
                self._history.add_birth(birth)
                self.unread.popleft()
            self.unread.extend(
                Life(b.member, b.incarnation - 1) for b in births if b.incarnation > 1 and self._goes_back(b)
            )
            if allowance.is_spent:
                return

    def _goes_back(self, birth: Birth) -> bool:
        """Whether what comes before a birth is needed: its line does, or lives may have crashed there since a round."""
        replaces = birth.round is not None and birth.round >= self._history.decided
        return birth.cause.resumes or birth.cause in AFTER_CRASHES or birth.cause in UNROUNDED or replaces

    def peek(self, life: Life) -> Birth:
        """One birth, which the history need not know or remember.

        Raises:
            NotFound: there is none.
        """
        return self._history.birth(*life) or self._read(life)

    def peek_all(self, lives: Sequence[Life]) -> list[Birth]:
        """These births; the history learns of none of them."""
        unknown = [life for life in lives if self._history.birth(*life) is None]
        names = [keys.birth(*life) for life in unknown]
        read = zip(unknown, names, read_each(self.store, names, readers=self._readers), strict=True)
        found = {life: _birth_of(data, key) for life, key, data in read}
        return [self._history.birth(*life) or found[life] for life in lives]

    def birth(self, member: int, incarnation: int) -> Birth:
        """One birth. If it is newer than all that were known, another operator ordered it, and those before it.

        Raises:
            NotFound: there is none.
        """
        known = self._history.birth(member, incarnation)
        if known is not None:
            return known
        newest = self._history.newest_birth(member)
        if incarnation > (newest.incarnation if newest else 0) + MOST_AHEAD:
            raise NotFound(f"{keys.birth(member, incarnation)}: nobody orders so many births unseen")
        found = self._read(Life(member, incarnation))
        self.alone = self.alone and newest is not None and newest.incarnation > incarnation
        for earlier in range(newest.incarnation + 1 if newest else 1, incarnation):
            self._history.add_birth(self._read(Life(member, earlier)))
        self._history.add_birth(found)
        return found

    def learn(self, member: int, incarnation: int) -> None:
        """Learns of a birth, if it is there and newer than all that were known."""
        newest = self._history.newest_birth(member)
        if newest is None or newest.incarnation < incarnation:
            with suppress(NotFound):
                self.birth(member, incarnation)

    def learn_newest(self, allowance: Allowance) -> bool:
        """Learns of each member's newest birth, whoever ordered it; returns whether that was all."""
        listed, newest = self._relisted
        newest_lives(listed.go_on(allowance), newest)
        for member, incarnation in list(newest.items()) if listed.is_whole else ():
            self.learn(member, incarnation)
            del newest[member]  # only now: who could not be read is asked for again
            if newest and allowance.is_spent:
                return False
        if listed.is_whole:
            self._relisted = PagedNames.below(self.store, keys.BIRTHS), {}
        return listed.is_whole

    def learn_successors(self, member: int, incarnation: int) -> None:
        """Makes sure that the births which say whether a life's records count are known."""
        newest = self._history.newest_birth(member)
        for later in range(incarnation + 1, newest.incarnation + 1 if newest else 0):
            if not self.birth(member, later).cause.resumes:
                return

    def settle_doubts(self) -> None:
        """Looks for the births whose writing was never answered."""
        for life in sorted(self._in_doubt):
            self.learn(*life)
            self._in_doubt.discard(life)

    @contextmanager
    def charged_to(self, allowance: Allowance) -> Iterator[None]:
        """What is read one by one in the block is spent."""
        before = self._num_read
        try:
            yield
        finally:
            allowance.spend(reads=self._num_read - before)

    def _read(self, life: Life) -> Birth:
        key = keys.birth(*life)
        self._num_read += 1
        return decode(Birth, self.store.read(key), key=key)

    # writing

    def write(self, births: Sequence[Birth]) -> list[Birth]:
        """Orders incarnations of different members at once; the history is to be told of what is stored.

        Returns:
            What is stored of each, which another operator may have written first.
        """
        self._in_doubt |= {birth.life for birth in births}
        sent = [(keys.birth(birth.member, birth.incarnation), encode(birth)) for birth in births]
        stored = create_each(self.store, sent, writers=self._readers)
        written = [decode(Birth, data, key=key) for data, (key, _) in zip(stored, sent, strict=True)]
        for birth, found in zip(births, written, strict=True):
            self._in_doubt.discard(birth.life)
            self.alone = self.alone and found == birth
        return written


def _birth_of(data: bytes | RecordRefused | None, key: str) -> Birth:
    if data is None:
        raise NotFound(f"nothing is stored under {key}")
    return decoded(Birth, data, key=key)


def newest_lives(names: Iterable[str], known: dict[int, int] | None = None) -> dict[int, int]:
    """By member, the newest incarnation that has a birth, among these and those that are known."""
    newest = {} if known is None else known
    for (member, incarnation), _ in by_life(names):
        newest[member] = max(incarnation, newest.get(member, 0))
    return newest


def by_life(names: Iterable[str]) -> Iterator[tuple[Life, str]]:
    """The incarnation that each key speaks of, and the key; names that are none of ours are left out."""
    for key in names:
        with suppress(KeyRefused):
            yield keys.life_in(key), key
