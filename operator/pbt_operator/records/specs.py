"""The spec records: the accepted spec of a population, as it changed."""

from collections.abc import Callable
from typing import Any

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.stores import Store
from pbt_operator.core.location_records import SpecRecord


def newest(store: Store) -> SpecRecord | None:
    """The spec record in force; None if the location is empty."""
    number = keys.newest_number(store.names(keys.SPECS))
    return read(store, number) if number else None


def read(store: Store, number: int) -> SpecRecord:
    """One spec record.

    Raises:
        NotFound: there is none of that number.
    """
    key = keys.spec(number)
    return decode(SpecRecord, store.read(key), key=key)


def accept(
    store: Store,
    *,
    name: str,
    namespace: str,
    spec: dict[str, Any],
    as_now: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> SpecRecord:
    """Records the spec, unless it is the one in force, and returns the record in force.

    Args:
        store: opened at the population's location.
        name: of the population.
        namespace: of the population.
        spec: in this version's words.
        as_now: puts a recorded spec into this version's words, so that an upgrade alone is no change of it.
    """
    known = newest(store)
    while known is None or as_now(known.spec) != spec:
        number = known.number + 1 if known else 1
        record = SpecRecord(number=number, name=name, namespace=namespace, spec=spec)
        key = keys.spec(number)
        known = decode(SpecRecord, store.create(key, encode(record)), key=key)
    return known
