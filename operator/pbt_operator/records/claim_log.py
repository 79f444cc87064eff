"""The claims of one population: which process took which birth."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import UnsetType

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim
from pbt_contract.stores import Store
from pbt_operator.core.history import History
from pbt_operator.records.parallel import read_each

VOID = "void"


class ClaimLog:
    """Reads claims, and makes those that void a birth."""

    def __init__(
        self, store: Store, history: History, *, readers: int, on_refused: Callable[[str, str], None]
    ) -> None:
        """Reads nothing yet.

        Args:
            store: opened at the population's location.
            history: its ledger learns of each claim.
            readers: how many claims are read at once.
            on_refused: called once for each record that is refused, with its key and the reason.
        """
        self._store, self._history = store, history
        self._readers, self._on_refused = readers, on_refused
        self._claims: dict[Life, Claim] = {}
        self._fresh: list[Claim] = []
        self._unclaimed: set[Life] = set()  # in this pass

    def begin_pass(self) -> None:
        """What was unclaimed in the pass before may be claimed now."""
        self._unclaimed.clear()

    def knows(self, life: Life) -> bool:
        """Whether somebody is known to have taken a birth, without a look."""
        return life in self._claims

    def claim(self, birth: Birth) -> Claim | None:
        """Who took a birth, if anybody did."""
        life = birth.life
        if life not in self._claims and life not in self._unclaimed:
            self._keep(life, *self._read([life]))
        return self._claims.get(life)

    def learn(self, births: Iterable[Birth]) -> None:
        """Looks at once who took each of these; that nobody has, is remembered to the end of the pass."""
        lives = [birth.life for birth in births]
        unknown = [life for life in lives if life not in self._claims and life not in self._unclaimed]
        for life, claim in zip(unknown, self._read(unknown), strict=True):
            self._keep(life, claim)
            if claim is None:
                self._unclaimed.add(life)

    def take_fresh(self) -> list[Claim]:
        """Those of processes that trained already, which were learned since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def count(self) -> None:
        """Lets the ledger of the history learn of every claim that it lacks."""
        if self._history.ledger is None:
            return
        takeovers = self._history.ledger.takeovers
        for claim in [*self._claims.values(), *self._read(sorted(takeovers.unclaimed - self._claims.keys()))]:
            if isinstance(claim, Claim):
                takeovers.add_claim(claim)

    def note_new(self, birth: Birth) -> None:
        """A birth was written a moment ago: who takes it over in place, is seen in the next pass."""
        self._unclaimed.add(birth.life)

    def forget(self, life: Life) -> None:
        """Nothing depends on it any more."""
        self._claims.pop(life, None)

    def void(self, birth: Birth, *, pod: str) -> Claim:
        """Takes an unclaimed birth away from a process that is over, so that it can never start."""
        member, incarnation = birth.life
        claim = Claim(member=member, incarnation=incarnation, pod=pod, nonce=VOID, void=True)
        key = keys.claim(member, incarnation)
        stored = decode(Claim, self._store.create(key, encode(claim)), key=key)
        self._claims[birth.life] = stored
        return stored

    def _read(self, lives: Sequence[Life]) -> list[Claim | RecordRefused | None]:
        names = [keys.claim(*life) for life in lives]
        found = read_each(self._store, names, readers=self._readers)
        return [_claim_of(data, key) for data, key in zip(found, names, strict=True)]

    def _keep(self, life: Life, claim: Claim | RecordRefused | None) -> None:
        if isinstance(claim, RecordRefused):  # somebody has it all the same: nobody else can take it any more
            self._on_refused(keys.claim(*life), str(claim))
            claim = Claim(member=life.member, incarnation=life.incarnation, pod="", nonce="")
        if claim is not None:
            self._claims[life] = claim
            if self._history.ledger is not None:
                self._history.ledger.takeovers.add_claim(claim)
            if not isinstance(claim.started, UnsetType):
                self._fresh.append(claim)


def _claim_of(data: bytes | RecordRefused | None, key: str) -> Claim | RecordRefused | None:
    if not isinstance(data, bytes):
        return data
    try:
        return decode(Claim, data, key=key)
    except NewerFormat:
        raise
    except RecordRefused as refusal:
        return refusal
