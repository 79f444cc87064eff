"""How lives ended: each is written once, and what is stored counts."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.end_record import End
from pbt_operator.core.known_ends import ENDS_KEPT, KnownEnds
from pbt_operator.records.birth_log import by_life
from pbt_operator.records.paged_names import PagedNames
from pbt_operator.records.parallel import decoded, read_each

ENDS_AT_ONCE = 256


class EndLog:
    """Reads ends, as far as decisions need them, and writes them."""

    def __init__(
        self, store: Store, known: KnownEnds, *, readers: int, on_refused: Callable[[str, str], None]
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            known: learns of each.
            readers: how many are read at once.
            on_refused: called for each record that is refused, with its key and the reason.
        """
        self._store, self._known = store, known
        self._readers, self._on_refused = readers, on_refused
        self._listed = PagedNames.below(store, keys.ENDS)  # ascending, so the newest of a member come last
        self._newest: dict[int, deque[int]] = {}
        self._unread: deque[Life] = deque()

    def load(self, allowance: Allowance) -> bool:
        """Learns of the newest few of each member; returns whether that was all. A page of names counts as a read."""
        if not self._listed.is_whole:
            for (member, incarnation), _ in by_life(self._listed.go_on(allowance)):
                self._newest.setdefault(member, deque(maxlen=ENDS_KEPT)).append(incarnation)
            if not self._listed.is_whole:
                return False
            self._unread = deque(Life(m, n) for m, found in self._newest.items() for n in found)
            self._newest.clear()
        while self._unread:
            some = list(islice(self._unread, allowance.at_once(ENDS_AT_ONCE)))
            self.learn(some)
            for _ in some:
                self._unread.popleft()
            allowance.spend(reads=len(some))
            if allowance.is_spent:
                break
        return not self._unread

    def learn(self, lives: Iterable[Life]) -> None:
        """Learns how these lives ended, whoever recorded it; of those that haven't nothing is remembered."""
        unknown = [life for life in lives if self._known.get(life) is None]
        names = [keys.ended(*life) for life in unknown]
        for key, data in zip(names, read_each(self._store, names, readers=self._readers), strict=True):
            if data is None:
                continue
            try:
                self._known.add(decoded(End, data, key=key))
            except NewerFormat:
                raise
            except RecordRefused as refusal:
                self._on_refused(key, str(refusal))

    def learn_crash(self, line: Iterable[Birth]) -> None:
        """Learns of the newest crashes in a line, the newest birth first; another operator may have recorded them."""
        crashed = [Life(b.member, b.incarnation - 1) for b in line if b.cause is Cause.CRASH]
        self.learn(crashed[:ENDS_KEPT])

    def write(self, end: End) -> End:
        """Records how a life ended; returns what is stored, which another operator may have seen otherwise."""
        data = self._store.create(end.key, encode(end))
        try:
            stored = decode(End, data, key=end.key)
        except NewerFormat:
            raise
        except RecordRefused as refusal:  # nobody can follow that
            self._on_refused(end.key, str(refusal))
            stored = end
        self._known.add(stored)
        return stored
