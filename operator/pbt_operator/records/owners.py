"""The owner records: who drives a location. The newest one counts, and nobody owns a location twice."""

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.stores import Store
from pbt_operator.core.location_records import OwnerRecord


def current(store: Store) -> OwnerRecord | None:
    """Who drives the location; None if nobody ever did."""
    number = keys.newest_number(store.names(keys.OWNERS))
    return _read(store, number) if number else None


def settle(store: Store, *, uid: str, name: str, namespace: str, adopt: bool) -> OwnerRecord:
    """Takes the location if it is free, or if `adopt` says so, and returns who drives it now.

    Who was succeeded stays so: else two resources that adopt the same location would take it from each other for ever.
    """
    while True:
        number = keys.newest_number(store.names(keys.OWNERS))
        known = [_read(store, n) for n in range(1, number + 1)]
        if known and (known[-1].uid == uid or not adopt or any(owner.uid == uid for owner in known)):
            return known[-1]
        key = keys.owner(number + 1)
        mine = OwnerRecord(number=number + 1, uid=uid, name=name, namespace=namespace)
        if decode(OwnerRecord, store.create(key, encode(mine)), key=key) == mine:
            return mine


def _read(store: Store, number: int) -> OwnerRecord:
    key = keys.owner(number)
    return decode(OwnerRecord, store.read(key), key=key)
