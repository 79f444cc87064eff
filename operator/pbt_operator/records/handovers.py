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

KEPT = 4  # of each member: what is older, the labels of pods have followed long ago


class Handovers:
    """The yields of one population, over one store."""

    def __init__(self, store: Store, *, on_refused: Callable[[str, str], None]) -> None:
        """Reads nothing yet; `on_refused` is called once for each record that is refused."""
        self._store, self._on_refused = store, on_refused
        # By member and incarnation; None where a record is known by name only.
        self._known: dict[int, dict[int, Life | None]] = {}
        self._refused: set[Life] = set()
        self._in_doubt: set[Life] = set()

    def load(self) -> None:
        """Learns the names of all."""
        for key in self._store.names(keys.YIELDS):
            with suppress(KeyRefused):
                self._note(*keys.life_in(key), None)

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

    def ask(self, member: int, incarnation: int) -> Life | None:
        """Whom the process of an incarnation was asked to go on as, by whichever operator."""
        life = Life(member, incarnation)
        known = self._known.get(member, {}).get(incarnation)
        if known is not None or life in self._refused:
            return known
        try:
            return self._read(life, self._store.read(keys.yielded(*life)))
        except NotFound:
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
