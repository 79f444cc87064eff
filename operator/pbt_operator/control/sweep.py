"""Deletes the checkpoints that nothing needs any more: few keys in a pass, so that nobody waits for it."""

import math
from collections.abc import Callable, Sequence
from itertools import islice

from pbt_contract import keys
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.retention import doomed, unread_saves
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository

KEYS_A_PASS = 5000
SECONDS_BETWEEN = 0.5  # the beginnings of two sweeps
UPLOADS_A_PASS = 200  # places of dead incarnations; each takes a request


class Retention:
    """One sweep through the checkpoints for each new round that anybody reports, in as many passes as it takes.

    Where rounds are quick, several of them have one sweep together, so that no decision waits for many.
    """

    def __init__(self, repository: Repository, *, clock: Callable[[], float]) -> None:
        """Has swept nothing yet; takes a monotonic clock in seconds."""
        self._repository, self._history, self._clock = repository, repository.history, clock
        self._swept, self._not_before = 0, -math.inf
        self._position: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether a sweep goes on with the next pass."""
        return self._position is not None

    def sweep(self, spec: Spec, *, begins: bool, is_last: bool = False, allowance: Allowance) -> None:
        """Goes on with the sweep; `begins` one if it is time, and the last one whenever."""
        if self._position is None and not (begins and self._begin(spec, is_last=is_last)):
            return
        if not self._repository.learn_births(allowance):
            return
        store = self._repository.store
        names = list(islice(store.names(keys.CHECKPOINTS, start_after=self._position or ""), KEYS_A_PASS))
        gone, some = self._doomed(names, spec, allowance)
        store.delete(gone)
        if len(some) < len(names) or len(names) == KEYS_A_PASS:
            self._position = some[-1]
        elif not self._repository.abandon_uploads(most=UPLOADS_A_PASS):
            self._position = None
            self._history.forget()

    def _doomed(
        self, names: Sequence[str], spec: Spec, allowance: Allowance
    ) -> tuple[list[str], Sequence[str]]:
        """Which keys go, of the first of these: by what is known, and by what is looked for before anything is deleted.

        A round of another operator, a former owner's say, may name the best by a record that doesn't count here.

        Returns:
            Those that go; and the first ones, of which what had to be looked for was within the allowance.
        """
        gone = doomed(names, history=self._history, spec=spec)
        unread = unread_saves(gone, history=self._history, spec=spec)
        while len(names) > 1 and len(unread) > allowance.at_once(len(unread)):
            names = names[: len(names) // 2]
            gone = [key for key in gone if key <= names[-1]]
            unread = unread_saves(gone, history=self._history, spec=spec)
        if not gone:
            return gone, names
        for key in unread:
            self._repository.learn_record(key)
        self._repository.learn_rounds()
        still = set(doomed(names, history=self._history, spec=spec))
        return [key for key in gone if key in still], names

    def _begin(self, spec: Spec, *, is_last: bool) -> bool:
        now = self._clock()
        if now < self._not_before and not is_last:
            return False
        last = spec.schedule.last_round  # whoever claims a later one must not end retention for good
        newest = max((n for n in self._history.rounds_seen() if n <= last), default=0)
        if newest <= self._swept:
            return False
        self._swept, self._position, self._not_before = newest, "", now + SECONDS_BETWEEN
        return True
