"""The decided rounds of one population: written once, and the newest ones kept."""

from itertools import islice

from pbt_contract import keys
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Round, Standing
from pbt_operator.records.large_records import read_head_only, read_large, write_large
from pbt_operator.records.paged_names import NAMES_A_READ, PagedNames

ROUNDS_KEPT = 4  # stragglers are judged by older ones


class RoundLog:
    """Reads rounds into a history and writes them.

    Attributes:
        alone: whether no round shows that another operator is at work.
    """

    def __init__(self, store: Store, history: History, *, readers: int = 1, is_alone: bool = False) -> None:
        """Reads nothing yet; nobody else writes rounds where it `is_alone`: then it looks for none of theirs."""
        self._store, self._history, self._is_alone = store, history, is_alone
        self._readers, self._listed = readers, PagedNames.below(store, keys.ROUNDS)
        self.alone = True
        self._rounds: dict[int, Round] = {}
        self._decided: set[int] = set()  # all of them, by number
        self._looked_back = 1  # how many of the newest rounds the history has
        self._best_before: tuple[int, int, Standing | None] = (0, 0, None)
        self._in_doubt = False  # one was sent and never answered: it may be stored all the same

    def load(self, allowance: Allowance) -> bool:
        """Learns of the newest round; returns whether all their names are known. A page of them counts as a read."""
        if not self._listed.is_whole:
            self._decided.update(keys.numbers(self._listed.go_on(allowance)))
        if self._listed.is_whole and self._decided and not self._history.decided:
            self._history.add_round(self.round(max(self._decided)))
        return self._listed.is_whole

    @property
    def num_decided(self) -> int:
        """How many rounds are decided, as far as is known; skipped ones are not."""
        return len(self._decided)

    def look_back(self, rounds: int) -> None:
        """Lets the history have so many of the newest rounds, from now on; reads those that it lacks."""
        self._history.rounds.keep(rounds)
        if rounds > self._looked_back:
            self.learn()
            for number in sorted(self._decided)[-rounds:]:
                self._history.add_round(self.round(number))
        self._looked_back = rounds

    def round(self, number: int) -> Round:
        """One decided round.

        Raises:
            NotFound: it wasn't decided (yet).
        """
        if number not in self._rounds:
            found = read_large(self._store, Round, keys.round_(number), readers=self._readers)
            self._remember(found)
        return self._rounds[number]

    def best_before(self, rounds: int) -> Standing | None:
        """The best up to the decided round that has so many after it; None where there is none, or it has no best."""
        newest = max(self._decided, default=0)
        if self._best_before[:2] != (newest, rounds):
            number = sorted(self._decided)[-rounds - 1] if len(self._decided) > rounds else None
            found = None if number is None else self._head(number).best
            self._best_before = (newest, rounds, found)
        return self._best_before[2]

    def _head(self, number: int) -> Round:
        """One decided round; if it is a large one, perhaps without its lists."""
        known = self._rounds.get(number)
        return known or read_head_only(self._store, Round, keys.round_(number))

    def write(self, decided: Round) -> Round:
        """Records a round's decisions; returns the newest round, which is a later one if another operator is ahead."""
        before, self._in_doubt = self._history.decided, True
        stored = write_large(self._store, decided, key=decided.key, readers=self._readers)
        self.alone = self.alone and stored == decided
        self._remember(stored)
        self._decided.add(stored.number)
        self._history.add_round(stored)
        if self._is_alone:
            self._in_doubt = False
        else:
            self._learn(since=before)
        return self._history.newest_round or stored

    def learn(self) -> None:
        """Learns of the newest round: the donors of one that another operator has left behind may be deleted."""
        if self._in_doubt or not self._is_alone:
            self._learn(since=self._history.decided)

    def settle_doubts(self) -> None:
        """Looks for a round whose writing was never answered."""
        if self._in_doubt:
            self.learn()

    def _learn(self, *, since: int) -> None:
        """Learns of the newest rounds after that one, whoever recorded them."""
        listed = self._store.names(keys.ROUNDS, start_after=keys.round_(since))
        # Among more than a page, a round is found when it is written.
        newer = sorted(keys.numbers(islice(listed, NAMES_A_READ)))
        self._decided.update(newer)
        for number in newer[-self._looked_back :]:
            self._history.add_round(self.round(number))
        self.alone = self.alone and len(newer) <= 1
        self._in_doubt = False

    def _remember(self, decided: Round) -> None:
        while len(self._rounds) >= max(ROUNDS_KEPT, self._looked_back):
            del self._rounds[min(self._rounds)]
        self._rounds[decided.number] = decided
