"""Which processes were asked to go on as another member, and which life a pod's process lives since.

A yield is a request: the process follows it by claiming the other member's birth, and the claim is the answer. Where
another process has claimed that one there may be a next request to the same life; of these the newest counts, for only
its birth can still be claimed, or has been. The labels of pods follow later, so whoever asks whose a pod is asks here.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life, Request
from pbt_contract.stores import Store
from pbt_contract.yields import Yield
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.paged_names import PagedNames

KEPT = 4  # of each member: what is older, the labels of pods have followed long ago


class _Newest(NamedTuple):
    """The newest request to a life that is known."""

    number: int
    to: Life | None
    """None where the record is known by name only."""


class Handovers:
    """The yields of one population, over one store."""

    def __init__(self, store: Store, *, on_refused: Callable[[str, str], None]) -> None:
        """Reads nothing yet; `on_refused` is called once for each record that is refused."""
        self._store, self._on_refused = store, on_refused
        self._listed = PagedNames.below(store, keys.YIELDS)
        self._known: dict[int, dict[int, _Newest]] = {}  # by member and incarnation
        self._refused: set[Request] = set()
        self._in_doubt: set[Request] = set()

    def load(self, allowance: Allowance) -> bool:
        """Learns the names of the newest; returns whether that was all. A page of names counts as a read."""
        for key in self._listed.go_on(allowance):
            with suppress(KeyRefused):
                self._note(keys.request_in(key), None)
        return self._listed.is_whole

    def settle_doubts(self) -> None:
        """What was sent and never answered may be stored all the same."""
        for request in sorted(self._in_doubt):
            self._look(request)
            self._in_doubt.discard(request)

    def known(self, member: int, *, since: int) -> Iterator[tuple[int, Life]]:
        """What the member's lives were asked last, from that incarnation on, the newest first.

        Yields:
            Incarnation and whom to go on as.
        """
        for incarnation in sorted(self._known.get(member, ()), reverse=True):
            if incarnation >= since:
                to = self.ask(member, incarnation)
                if to is not None:
                    yield incarnation, to

    def unread(self, member: int, *, since: int) -> bool:
        """Whether the newest of these is known by name only."""
        found = self._known.get(member, {})
        incarnation = max(found, default=0)
        if incarnation < since:
            return False
        number, to = found[incarnation]
        return to is None and Request(member, incarnation, number) not in self._refused

    def number(self, life: Life) -> int:
        """How often the process of a life was asked, as far as is known."""
        known = self._known.get(life.member, {}).get(life.incarnation)
        return known.number if known is not None else 0

    def ask(self, member: int, incarnation: int) -> Life | None:
        """Whom the process of an incarnation was asked to go on as, by whichever operator.

        Where that came to nothing it may have been asked again since: see `ask_again`.
        """
        life = Life(member, incarnation)
        known = self._known.get(member, {}).get(incarnation)
        return known.to if known is not None and known.to is not None else self._look(self._first(life))

    def ask_again(self, life: Life) -> Life | None:
        """Whom its process was asked to go on as after the newest request that is known, by whichever operator."""
        number = self.number(life) + 1
        return self._look(Request(*life, number)) if number <= keys.MOST_REQUESTS else None

    def write(self, asked: Yield) -> Life | None:
        """Asks a process; returns whom it was asked to go on as, which another operator may have decided first.

        None if what is stored there can't be followed.
        """
        request = asked.request
        self._in_doubt.add(request)
        stored = self._store.create(asked.key, encode(asked))
        self._in_doubt.discard(request)
        return self._read(request, stored)

    def _first(self, life: Life) -> Request:
        """The newest request that is known, else the first."""
        return Request(*life, max(1, self.number(life)))

    def _look(self, request: Request) -> Life | None:
        if request in self._refused:
            return None
        try:
            return self._read(request, self._store.read(keys.yielded(*request)))
        except NotFound:
            if self.number(request.life) == request.number:  # it was there, if its name was listed
                self._known[request.member].pop(request.incarnation)
            return None

    def _read(self, request: Request, data: bytes) -> Life | None:
        key = keys.yielded(*request)
        try:
            return self._note(request, decode(Yield, data, key=key).to.life)
        except NewerFormat:
            raise
        except RecordRefused as refusal:
            if request not in self._refused:
                self._refused.add(request)
                self._on_refused(key, str(refusal))
            return None

    def _note(self, request: Request, to: Life | None) -> Life | None:
        known = self._known.setdefault(request.member, {})
        if request.number >= self.number(request.life):
            known[request.incarnation] = _Newest(request.number, to)
        for old in sorted(known)[:-KEPT]:
            del known[old]
        return to
