"""Which processes were asked to go on as another member, and which life a pod's process lives since.

A yield is a request: the process follows it by claiming the other member's birth, and the claim is the answer. The
labels of pods follow later, so whoever asks whose a pod is asks here.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.stores import Store
from pbt_contract.yields import Yield
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.paged_names import PagedNames

KEPT = 4  # of each member: what is older, the labels of pods have followed long ago


class Handovers:
    """The yields of one population, over one store."""

    def __init__(self, store: Store, *, on_refused: Callable[[str, str], None]) -> None:
        """Reads nothing yet; `on_refused` is called once for each record that is refused."""
        self._store, self._on_refused = store, on_refused
        self._listed = PagedNames.below(store, keys.YIELDS)
        # By member and incarnation; None where a record is known by name only.
        self._known: dict[int, dict[int, Life | None]] = {}
        self._refused: set[Life] = set()
        self._in_doubt: set[Life] = set()

    def load(self, allowance: Allowance) -> bool:
        """Learns the names of the newest; returns whether that was all. A page of names counts as a read."""
        for key in self._listed.go_on(allowance):
            with suppress(KeyRefused):
                self._note(*keys.life_in(key), None)
        return self._listed.is_whole

    def settle_doubts(self) -> None:
        """What was sent and never answered may be stored all the same."""
        for life in sorted(self._in_doubt):
            self.ask(*life)
            self._in_doubt.discard(life)

    def known(self, member: int, *, since: int) -> Iterator[tuple[int, Life]]:
        """The member's yields from that incarnation on, the newest first: incarnation and whom to go on as."""
        for incarnation in sorted(self._known.get(member, ()), reverse=True):
            if incarnation >= since:
                to = self._known[member][incarnation] or self.ask(member, incarnation)
                if to is not None:
                    yield incarnation, to

    def unread(self, member: int, *, since: int) -> bool:
        """Whether the newest of these is known by name only."""
        found = self._known.get(member, {})
        newest = max(found, default=0)
        return newest >= since and found[newest] is None and Life(member, newest) not in self._refused

    def ask(self, member: int, incarnation: int) -> Life | None:
        """Whom the process of an incarnation was asked to go on as, by whichever operator."""
        life = Life(member, incarnation)
        known = self._known.get(member, {}).get(incarnation)
        if known is not None or life in self._refused:
            return known
        try:
            return self._read(life, self._store.read(keys.yielded(*life)))
        except NotFound:
            self._known.get(member, {}).pop(incarnation, None)  # it was, if its name was listed
            return None

    def write(self, asked: Yield) -> Life | None:
        """Asks a process; returns whom it was asked to go on as, which another operator may have decided first.

        None if what is stored there can't be followed.
        """
        life = asked.life
        self._in_doubt.add(life)
        stored = self._store.create(asked.key, encode(asked))
        self._in_doubt.discard(life)
        return self._read(life, stored)

    def _read(self, life: Life, data: bytes) -> Life | None:
        key = keys.yielded(*life)
        try:
            return self._note(*life, decode(Yield, data, key=key).to.life)
        except NewerFormat:
            raise
        except RecordRefused as refusal:
            if life not in self._refused:
                self._refused.add(life)
                self._on_refused(key, str(refusal))
            return None

    def _note(self, member: int, incarnation: int, to: Life | None) -> Life | None:
        known = self._known.setdefault(member, {})
        known[incarnation] = to
        for old in sorted(known)[:-KEPT]:
            del known[old]
        return to
