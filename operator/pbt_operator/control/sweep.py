"""Deletes the checkpoints that nothing needs any more: few keys in a pass, so that nobody waits for it."""

from itertools import islice

from pbt_contract import keys
from pbt_operator.core.retention import doomed
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository

KEYS_A_PASS = 5000
UPLOADS_A_PASS = 200  # places of dead incarnations; each takes a request


class Retention:
    """One sweep through the checkpoints for each new round that anybody reports, in as many passes as it takes."""

    def __init__(self, repository: Repository) -> None:
        """Has swept nothing yet."""
        self._repository, self._history = repository, repository.history
        self._swept = 0
        self._position: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether a sweep goes on with the next pass."""
        return self._position is not None

    def sweep(self, spec: Spec, *, begins: bool) -> None:
        """Goes on with the sweep; `begins` one if it is time."""
        if self._position is None and not (begins and self._begin(spec)):
            return
        self._repository.learn_births()
        store = self._repository.store
        names = list(islice(store.names(keys.CHECKPOINTS, start_after=self._position or ""), KEYS_A_PASS))
        store.delete(doomed(names, history=self._history, spec=spec))
        if len(names) == KEYS_A_PASS:
            self._position = names[-1]
        elif not self._repository.abandon_uploads(most=UPLOADS_A_PASS):
            self._position = None
            self._history.forget()

    def _begin(self, spec: Spec) -> bool:
        last = spec.schedule.last_round  # whoever claims a later one must not end retention for good
        newest = max((n for n in self._history.rounds_seen() if n <= last), default=0)
        if newest <= self._swept:
            return False
        self._swept, self._position = newest, ""
        return True
