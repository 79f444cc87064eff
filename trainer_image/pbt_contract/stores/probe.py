"""Finds out, before anything depends on it, whether a store keeps the promises that the layout stands on."""

from uuid import uuid4

from pbt_contract import keys
from pbt_contract.errors import StoreRefused
from pbt_contract.stores.base import Store


def probe(store: Store) -> None:
    """Writes one record twice, lists it and deletes it.

    Raises:
        StoreRefused: a second write replaces the first, a listing doesn't show what was written, or a right
            is missing.
        StoreUnavailable: the store can't be reached.
    """
    stem = f"{keys.PROBES}{uuid4().hex}"
    key, first = f"{stem}.json", b"{}\n"
    store.create(key, first)
    kept = store.create(key, b"[]\n") == first == store.read(key)
    listed = next(store.names(keys.PROBES, start_after=stem), None) == key
    store.delete([key])
    if not kept:
        raise StoreRefused(
            f"{store.url}: a second create-only write replaced the first, so two writers may collide; "
            "choose a store that has conditional writes (PutObject with If-None-Match: *)"
        )
    if not listed:
        raise StoreRefused(
            f"{store.url}: a listing doesn't show in order what was just written; choose a store with "
            "consistent, sorted listings (S3's directory buckets have none)"
        )
