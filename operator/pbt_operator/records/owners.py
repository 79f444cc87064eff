"""The owner records: who drives a location. The newest one counts, and nobody owns a location twice."""

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NotFound
from pbt_contract.stores import Store
from pbt_operator.core.location_records import OwnerRecord
from pbt_operator.records.paged_names import newest_number, numbers

OWNERS_READ = 256


def current(store: Store) -> OwnerRecord | None:
    """Who drives the location; None if nobody ever did."""
    number = newest_number(store, keys.OWNERS)
    return _read(store, number) if number else None


def settle(store: Store, *, uid: str, name: str, namespace: str, adopt: bool) -> OwnerRecord:
    """Takes the location if it is free, or if `adopt` says so, and returns who drives it now.

    Who was succeeded stays so: else two resources that adopt the same location would take it from each other for ever.
    """
    while True:
        number = _newest_without_gap(store)
        last = _read(store, number) if number else None
        if last is not None and (last.uid == uid or not adopt or _owned(store, uid, before=number)):
            return last
        key = keys.owner(number + 1)
        mine = OwnerRecord(number=number + 1, uid=uid, name=name, namespace=namespace)
        if decode(OwnerRecord, store.create(key, encode(mine)), key=key) == mine:
            return mine


def _newest_without_gap(store: Store) -> int:
    """The number of the newest one; 0 if there is none. Raises NotFound if one before it was deleted."""
    found = numbers(store, keys.OWNERS)
    for number, there in enumerate(found, start=1):
        if number != there:
            raise NotFound(f"nothing is stored under {keys.owner(number)}")
    return len(found)


def _owned(store: Store, uid: str, *, before: int) -> bool:
    """Whether it drove the location before. It is read only where a location is adopted; of many owners the newest."""
    return any(_read(store, n).uid == uid for n in range(max(1, before - OWNERS_READ), before))


def _read(store: Store, number: int) -> OwnerRecord:
    key = keys.owner(number)
    return decode(OwnerRecord, store.read(key), key=key)
