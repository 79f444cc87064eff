"""The record that says how far members may train before more is decided."""

from collections.abc import Callable

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.errors import NotFound
from pbt_contract.records import FORMAT, Count, Record
from pbt_contract.stores import Store
from pbt_contract.yields import LifeName


class Gate(Record, frozen=True, kw_only=True):
    """How far one may train: a member begins the steps of a round only if the newest gate reaches that far.

    It follows from the records that it names. A later gate never reaches less far than an earlier one.

    Attributes:
        format: of the record.
        number: counts the gates of a location, from 1, without gaps.
        up_to: the last round that may be trained for.
        awaits: the round whose decision opens the next gate; 0 where nobody has to wait for any.
        quorum: how many reports of `awaits` its decision needs.
        is_strict: whether one waits however long, since what is trained ahead would be thrown away (quorum 100).
        spec: the number of the spec record that it follows from.
        decided: the newest decided round then, 0 before the first.
        lead: how many rounds beyond the newest decided one a member may have reported and train on.
        without: lives that are over or done, so that nobody waits for a report of theirs.
        missing: lives that have had no running process for so long that nobody waits for them; absent where none is.
        uncounted: lives that were replaced or scaled away though they have reported `awaits`: those reports make no
            quorum, their members may make others; absent where there are none.
    """

    format: int = FORMAT
    number: Count
    up_to: Count
    awaits: Count
    quorum: Count
    is_strict: bool | UnsetType = UNSET
    spec: Count
    decided: Count
    lead: Count
    without: list[LifeName] = []
    missing: list[LifeName] | UnsetType = UNSET
    uncounted: list[LifeName] | UnsetType = UNSET

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.gate(self.number)


def read_gate(store: Store, number: int) -> Gate | None:
    """One gate; None if there is none of that number (yet).

    Raises:
        RecordRefused: what is stored there isn't one.
        StoreUnavailable: the store can't be reached.
    """
    key = keys.gate(number)
    try:
        return decode(Gate, store.read(key), key=key)
    except NotFound:
        return None


def newest_gate(read: Callable[[int], Gate | None], known: Gate | None = None) -> Gate | None:
    """The newest gate, by doubling and halving over the numbers: nothing is listed. None if there is none.

    Args:
        read: the gate of a number, as `read_gate` says it.
        known: the newest one that is known; those before it are not asked for. If it still is the newest, that
            takes one question.
    """
    start = known.number if known else 0
    newest, low, ahead = known, start, 1
    while (found := read(start + ahead)) is not None:
        newest, low, ahead = found, start + ahead, 2 * ahead
    above = start + ahead
    while above - low > 1:
        middle = (low + above) // 2
        found = read(middle)
        if found is None:
            above = middle
        else:
            newest, low = found, middle
    return newest
