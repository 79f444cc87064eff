"""How processes that trained came to the births that rounds decided: their loops continued, or they started anew.

Only claims tell it, and only those of processes that may take births over in place.
"""

from collections import Counter

from msgspec import UnsetType

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Claim, Started

DECIDED = frozenset({Cause.EXPLOIT, Cause.ROLLBACK})
"""The causes whose births a running process may take over in place, in the order of a round."""

MAX_REASONS, MAX_REASON = 64, 500  # trainers write them


class TakeoverCount:
    """Counts each life once.

    Attributes:
        in_place: how many loops continued with their births.
        anew: how many processes ran their command again.
        reasons: why processes were started anew, with how often.
        unclaimed: the lives that rounds ordered and whose claims aren't known yet.
    """

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.unclaimed: set[Life] = set()
        self.in_place = self.anew = 0

    def add_birth(self, birth: Birth) -> None:
        """Learns of a birth, once."""
        if birth.cause in DECIDED:
            self.unclaimed.add(birth.life)

    def add_claim(self, claim: Claim) -> None:
        """Learns who took a birth, any number of times."""
        if claim.life not in self.unclaimed:
            return
        self.unclaimed.discard(claim.life)
        if claim.started is Started.IN_PLACE:
            self.in_place += 1
        elif claim.started is Started.ANEW:
            self.anew += 1
            reason = reason_of(claim)
            if reason in self.reasons or len(self.reasons) < MAX_REASONS:
                self.reasons[reason] += 1

    @property
    def why(self) -> str:
        """The commonest reason; empty where there is none."""
        return max(self.reasons, key=lambda reason: (self.reasons[reason], reason), default="")


def reason_of(claim: Claim) -> str:
    """Why the process was started anew; empty where it doesn't say so."""
    return "" if isinstance(claim.why, UnsetType) else claim.why[:MAX_REASON]
