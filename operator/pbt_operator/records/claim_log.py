"""The claims of one population: which process took which birth."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from msgspec import UnsetType

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.history import History
from pbt_operator.core.takeovers import TakeoverCount
from pbt_operator.records.parallel import read_each

VOID = "void"
CLAIMS_AT_ONCE = 256


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
        # Whose claims takeovers lack; None unless they are being counted.
        self._uncounted: deque[Life] | None = None

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

    def presume(self, lives: Iterable[Life]) -> None:
        """Until the end of the pass nobody has taken these, but for those that are known to be taken."""
        self._unclaimed.update(lives)

    def take_fresh(self) -> list[Claim]:
        """Those of processes that trained already, which were learned since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def begin_count(self) -> None:
        """What `count` has begun before is too old to be gone on with."""
        self._uncounted = None

    def count(self, takeovers: TakeoverCount, allowance: Allowance) -> bool:
        """Lets them learn of every claim that they lack; returns whether that was all."""
        if self._uncounted is None:
            for claim in self._claims.values():
                takeovers.add_claim(claim)
            self._uncounted = deque(sorted(takeovers.unclaimed - self._claims.keys()))
        while self._uncounted:
            some = list(islice(self._uncounted, allowance.at_once(CLAIMS_AT_ONCE)))
            for found in self._read(some):
                if isinstance(found, Claim):
                    takeovers.add_claim(found)
            for _ in some:
                self._uncounted.popleft()
            allowance.spend(reads=len(some))
            if self._uncounted and allowance.is_spent:
                return False
        self._uncounted = None
        return True

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
