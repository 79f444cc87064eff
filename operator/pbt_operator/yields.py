"""Which processes were asked to go on as another member, and which life a pod's process lives since.

A yield is a request: the process follows it by claiming the other member's birth, and the claim is the answer. The
labels of pods follow later, so whoever asks whose a pod is asks here.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pbt_operator.pods import Pod
from pbt_trainer import keys
from pbt_trainer.errors import KeyRefused, NewerFormat, NotFound, RecordRefused
from pbt_trainer.records import Claim, Life, Yield, decode, encode
from pbt_trainer.stores import Store

if TYPE_CHECKING:
    from pbt_operator.journal import Journal

KEPT = 4  # of each member: what is older, the labels of pods have followed long ago


class Yields:
    """The yields of one population, over one store."""

    def __init__(self, store: Store, *, on_refused: Callable[[str, str], None]) -> None:
        """Reads nothing yet; `on_refused` is called once for each record that is refused."""
        self._store, self._on_refused = store, on_refused
        # By member and incarnation; None where a record is known by name only.
        self._known: dict[int, dict[int, Life | None]] = {}
        self._refused: set[tuple[int, int]] = set()
        self._in_doubt: set[tuple[int, int]] = set()

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
        life = (member, incarnation)
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
        life = (asked.member, asked.incarnation)
        self._in_doubt.add(life)
        stored = self._store.create(asked.key, encode(asked))
        self._in_doubt.discard(life)
        return self._read(life, stored)

    def _read(self, life: tuple[int, int], data: bytes) -> Life | None:
        key = keys.yielded(*life)
        try:
            return self._note(*life, decode(Yield, data, key=key).to)
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


def lived(journal: "Journal", pod: Pod, *, ask: bool = False) -> Pod:
    """The pod under the life that its process lives: what its labels say, or what it was asked to go on as and claimed.

    Args:
        journal: the population's records.
        pod: as it is labelled.
        ask: look for yields that only another operator knows of.
    """
    passed: set[tuple[int, int]] = set()
    while (pod.member, pod.incarnation) not in passed:
        passed.add((pod.member, pod.incarnation))
        if ask:
            journal.yields.ask(pod.member, _newest_life(journal, pod))
        for _, to in journal.yields.known(pod.member, since=pod.incarnation):
            if _claimed_by(journal, to, pod.uid):
                pod = replace(pod, member=to.member, incarnation=to.incarnation)
                break
    return pod


def asked_to_yield(journal: "Journal", pod: Pod) -> Life | None:
    """Whom the process was asked to go on as and may still claim; the pod is under the life that it lives."""
    for incarnation, to in journal.yields.known(pod.member, since=pod.incarnation):
        own = Life(member=pod.member, incarnation=incarnation)
        is_its_life = _newest_life(journal, pod) == incarnation and _claimed_by(journal, own, pod.uid)
        return to if is_its_life and _claim(journal, to) is None else None
    return None


def has_left(journal: "Journal", life: Life, uid: str) -> bool:
    """Whether the process that claimed a life has gone on as another member."""
    to = journal.yields.ask(life.member, life.incarnation)
    return to is not None and _claimed_by(journal, to, uid)


def _newest_life(journal: "Journal", pod: Pod) -> int:
    newest = journal.history.newest_birth(pod.member)
    for incarnation in range(newest.incarnation if newest else 0, pod.incarnation, -1):
        if _claimed_by(journal, Life(member=pod.member, incarnation=incarnation), pod.uid):
            return incarnation
    return pod.incarnation


def _claimed_by(journal: "Journal", life: Life, uid: str) -> bool:
    claim = _claim(journal, life)
    return claim is not None and claim.pod == uid and not claim.void


def _claim(journal: "Journal", life: Life) -> Claim | None:
    try:
        return journal.claim(journal.birth(life.member, life.incarnation))
    except NotFound:  # no such birth
        return None
