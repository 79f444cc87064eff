"""How far a trainer may go, as the gates in the store say: what to ask for, when, and when waiting is in vain.

No threads, no processes, no clock: the courier drives it in a trainer, a simulator can drive it in virtual time.
"""

import math
from contextlib import suppress
from enum import Enum, auto

from pbt_contract import keys
from pbt_contract.encoding import decode_report
from pbt_contract.errors import (
    KeyRefused,
    NotFound,
    PbtError,
    RecordRefused,
    StoreRefused,
    StoreUnavailable,
)
from pbt_contract.gates import Gate, newest_gate, read_gate
from pbt_contract.keys import Life
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.retry import REFUSED_SECONDS
from pbt_trainer.log import logger

QUICK_SECONDS, QUICK_LOCAL_SECONDS = 0.25, 0.02
FIRST_COUNT_SECONDS, COUNT_SECONDS, MARGIN_SECONDS = 15.0, 60.0, 60.0
MOST_PEERS = MOST_ROUNDS = 8


class Found(Enum):
    """What a look has come to."""

    OPENED = auto()  # `bound` is another one
    FOLLOWED = auto()  # the bound would open, but the life has a successor: it is not to train on


class GateWatch:
    """What one process knows of the gates. Seconds are those of any clock that never goes back.

    A trainer begins the steps of a round only if `bound` is that round or a later one. It waits for its peers without
    limit. Only where a round has had its quorum for long, and isn't decided, nobody decides; where it is decided and no
    gate follows, nobody writes gates. Then it goes on, until it sees a later one.

    Attributes:
        bound: the last round that may be trained for; infinite where nothing bounds it, negative while that isn't
            known yet.
        in_vain: why it is infinite though there is a gate, for people; None where it isn't so.
    """

    def __init__(self, life: Incarnation, *, poll_seconds: float) -> None:
        """Asks nothing yet.

        Args:
            life: that the process has.
            poll_seconds: the longest pause between two questions while the trainer waits.
        """
        self.bound = -1.0
        self.in_vain: str | None = None
        self._life, self._poll = life, poll_seconds
        quick = QUICK_LOCAL_SECONDS if life.store.url.startswith("file:") else QUICK_SECONDS
        self._quick = min(quick, poll_seconds)
        self._pause = self._quick
        self._gate: Gate | None = None
        self._is_known = self._is_followed = False
        self._awaited = self._needed = 0
        self._next = self._next_count = math.inf
        self._interval_seconds = 0.0  # the longest one that is known of
        self._failing_since: float | None = None
        self._outage_since: float | None = None
        self._awaited_since = -math.inf
        self._quorum_since: float | None = None
        self._decided_since: float | None = None
        self._decided = 0
        self._may_list = True

    # what happens

    def start(self, now: float) -> None:
        """The newest gate is wanted, though nobody waits yet."""
        self._hurry(now)

    def lasted(self, seconds: float) -> None:
        """So long an interval takes, by a record that the process starts from."""
        self._interval_seconds = max(self._interval_seconds, seconds)

    def reported(self, number: int, seconds: float, now: float) -> None:
        """A ready report of this life was committed.

        Args:
            number: its round.
            seconds: that its interval took.
            now: the time.
        """
        self.lasted(seconds)
        self._needed = max(self._needed, number + 1)
        if self._gate is None or self.in_vain is not None or self.bound < number + 2:
            self._hurry(now)

    def awaits(self, number: int, now: float) -> None:
        """The trainer waits to begin the steps of this round."""
        if number != self._awaited:
            self._next_count = now + FIRST_COUNT_SECONDS
            if self.bound >= 0:
                self._awaited_since = now
        self._awaited = number
        self._needed = max(self._needed, number)
        if self.bound < number:
            self._hurry(now)

    def becomes(self, life: Incarnation, now: float) -> None:
        """The process has another life; what it was waiting for is over."""
        self._life, self._is_followed = life, False
        self._awaited = self._needed = 0
        if self._knows() != self.bound:
            self._hurry(now)

    # what is to be asked

    def wait(self, now: float) -> float:
        """Seconds until the next look is due; infinite where none is."""
        return max(0.0, self._next - now)

    def look(self, now: float) -> Found | None:
        """Asks what is due now.

        Raises:
            StoreUnavailable: the store can't be reached; the next look is planned.
        """
        self._next = now + self._pause
        self._pause = min(2 * self._pause, max(self._poll, self._quick))
        try:
            self._ask()
            self._recover(now)
            if self._is_waiting and now >= self._next_count:
                self._count(now)
            found = self._tell()
        except StoreUnavailable as error:
            self._failing_since = now if self._failing_since is None else self._failing_since
            if self._outage_since is None:
                self._outage_since = now
                logger.warning("how far training may go can't be read: %s", error)
            raise
        self._outage_since = None
        if self._is_known and not self._is_waiting:
            self._next = math.inf
        return found

    def gives_up(self, error: StoreUnavailable, now: float, *, patience_seconds: float) -> bool:
        """Whether the process is to end after a look that failed, since it can't train meanwhile.

        Args:
            error: that the look raised.
            now: the time.
            patience_seconds: how long the store may be out of reach.
        """
        refused = self.bound < 0 and isinstance(error, StoreRefused)  # that rarely mends itself
        if self._outage_since is None or not (self._is_waiting or refused):
            return False
        if refused:
            return now - self._outage_since >= min(REFUSED_SECONDS, patience_seconds)
        return now - max(self._outage_since, self._awaited_since) >= patience_seconds

    # parts of it

    @property
    def _is_waiting(self) -> bool:
        return self.bound < self._awaited and not self._is_followed

    def _hurry(self, now: float) -> None:
        self._next, self._pause = now, self._quick

    def _ask(self) -> None:
        """Learns of gates that are later than the one that is known."""
        try:
            newest = newest_gate(lambda number: read_gate(self._life.store, number), self._gate)
        except StoreUnavailable:
            raise
        except PbtError as error:
            if not self._is_known or self.in_vain is None:
                logger.warning("going on without a bound, since a gate can't be read: %s", error)
            self.in_vain = f"a gate can't be read: {error}"
            self._is_known = True
            return
        if newest is not None and newest != self._gate:
            self._gate, self.in_vain = newest, None
            self._quorum_since = self._decided_since = None
        self._is_known = True

    def _knows(self) -> float:
        if not self._is_known:
            return -1.0
        return math.inf if self._gate is None or self.in_vain is not None else self._gate.up_to

    def _tell(self) -> Found | None:
        knows = self._knows()
        if knows == self.bound or self._is_followed:
            return None
        if 0 <= self.bound < self._needed <= knows and self._has_successor():
            self._is_followed = True
            return Found.FOLLOWED
        self.bound = knows
        return Found.OPENED

    def _has_successor(self) -> bool:
        """Births come before the gates that follow from their round."""
        try:
            return self._life.successor() is not None
        except StoreUnavailable:
            raise
        except PbtError:  # another process will say what is wrong with it
            return True

    def _recover(self, now: float) -> None:
        """While the store couldn't be reached nobody could decide anything in it."""
        if self._failing_since is not None:
            away = now - self._failing_since
            if self._quorum_since is not None:
                self._quorum_since += away
            if self._decided_since is not None:
                self._decided_since += away
        self._failing_since = None

    def _count(self, now: float) -> None:
        """Gives up waiting where the quorum has been there for long."""
        gate = self._gate
        self._next_count = now + COUNT_SECONDS
        if gate is None or self.in_vain is not None or not gate.awaits:
            return
        if self._is_left(gate, now):
            self.in_vain = (
                f"round {self._decided} is decided, and no gate follows: training goes on without a bound"
            )
            logger.warning("%s", self.in_vain)
        if self.in_vain is not None or gate.is_strict is True:
            return
        if self._quorum_since is None and self._has_quorum(gate):
            self._quorum_since = now
        if self._quorum_since is None:
            return
        since = now - self._quorum_since
        if since >= self._patience:
            self._ask_peers(gate)
        if since >= self._patience:
            self.in_vain = (
                f"round {gate.awaits} has had its {gate.quorum} reports for {since:.0f} s and isn't decided: "
                "training goes on until one is"
            )
            logger.warning("%s", self.in_vain)
        self._next_count = min(self._next_count, self._quorum_since + self._patience)

    def _is_left(self, gate: Gate, now: float) -> bool:
        """Whether who decides now writes no gates any more: an operator of a version that knows none.

        Such a one may skip the awaited round for any that has been reported, which is one within the lead.
        """
        if self._decided_since is None:
            newest = range(max(gate.awaits + 1, self._awaited - MOST_ROUNDS), self._awaited + 1)
            self._decided = next(filter(self._is_decided, [gate.awaits, *newest]), 0)
            self._decided_since = now if self._decided else None
        return self._decided_since is not None and now - self._decided_since >= MARGIN_SECONDS

    def _is_decided(self, number: int) -> bool:
        try:
            self._life.store.read(keys.round_(number))
        except (NotFound, StoreRefused):
            return False
        return True

    @property
    def _patience(self) -> float:
        return 2 * self._interval_seconds + MARGIN_SECONDS

    def _has_quorum(self, gate: Gate) -> bool:
        over = {each.member for each in [*gate.without, *(gate.missing or [])]}
        lives = self._reported(gate).keys() - {each.life for each in gate.uncounted or []}
        return len({life.member for life in lives} - over) >= gate.quorum

    def _reported(self, gate: Gate) -> dict[Life, str]:
        """The lives that have reported the awaited round, each with its record."""
        if not self._may_list:
            return {}
        found = {}
        try:
            for name in self._life.store.names(keys.reports_of(gate.awaits)):
                with suppress(KeyRefused):  # nobody's record
                    found[keys.life_in(name)] = name
        except StoreRefused as error:
            self._may_list = False
            logger.info("whether a round is decided late isn't known here: %s", error)
        return found

    def _ask_peers(self, gate: Gate) -> None:
        """Some of the others may take much longer than this one, and a decision gives them half of their interval."""
        names = list(self._reported(gate).values())
        for name in names[:: max(1, math.ceil(len(names) / MOST_PEERS))]:
            with suppress(NotFound, RecordRefused):
                self.lasted(decode_report(self._life.store.read(name), key=name).seconds)
