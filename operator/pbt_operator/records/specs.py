"""The spec records: the accepted spec of a population, as it changed."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.records import Record
from pbt_contract.stores import Store
from pbt_operator.core.location_records import SpecHistory, SpecRecord
from pbt_operator.manifest.env_values import without_env_values
from pbt_operator.records.parallel import decoded, read_each


class _Schedule(Record, frozen=True):
    total_steps: int


class _Asked(Record, frozen=True):
    schedule: _Schedule


class _Totals(Record, frozen=True):
    """What `last_step` needs of a spec record."""

    spec: _Asked


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


def history(store: Store) -> SpecHistory | None:
    """The first spec record and the one in force; None if the location is empty.

    Raises:
        NotFound: the first one was deleted.
    """
    known = newest(store)
    if known is None:
        return None
    return SpecHistory(known if known.number == 1 else read(store, 1), known)


def last_step(store: Store, *, readers: int = 1) -> int:
    """The largest totalSteps that was ever accepted: members may have trained to there. 0 if the location is empty."""
    names = [keys.spec(number) for number in sorted(keys.numbers(store.names(keys.SPECS)))]
    last = 0
    for key, data in zip(names, read_each(store, names, readers=readers), strict=True):
        try:
            last = (
                last if data is None else max(last, decoded(_Totals, data, key=key).spec.schedule.total_steps)
            )
        except NewerFormat:
            raise
        except RecordRefused:
            continue  # whoever follows it tells of it
    return last


def is_in_force(
    record: SpecRecord, spec: dict[str, Any], as_now: Callable[[dict[str, Any]], dict[str, Any]]
) -> bool:
    """Whether a record holds this spec, whatever the values of its `env`: no record has them, unless it is an old one.

    Args:
        record: of any version.
        spec: in this version's words.
        as_now: see `accept`.
    """
    return without_env_values(as_now(record.spec)) == without_env_values(spec)


def accept(
    store: Store,
    *,
    name: str,
    namespace: str,
    asked: Callable[[SpecHistory | None], dict[str, Any]],
    as_now: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    retry: str | None = None,
    generation: int | None = None,
) -> SpecRecord:
    """Records the spec without values of `env`, unless it is the one in force, and returns the record in force.

    Args:
        store: opened at the population's location.
        name: of the population.
        namespace: of the population.
        asked: the spec for a location that holds this much, in this version's words; another operator may write
            meanwhile.
        as_now: puts a recorded spec into this version's words, so that an upgrade alone is no change of it.
        retry: by what somebody asks to continue where the population failed; asked once, it is recorded once.
        generation: of the resource, where its change asks for that; recorded once as well.
    """
    known = history(store)
    while True:
        spec = asked(known)
        if (
            known is not None
            and is_in_force(known.newest, spec, as_now)
            and retry in {None, known.newest.retry}
            and generation in {None, known.newest.generation}
        ):
            return known.newest
        number = known.newest.number + 1 if known else 1
        record = SpecRecord(
            number=number,
            name=name,
            namespace=namespace,
            spec=without_env_values(spec),
            retry=retry or UNSET,
            generation=generation or UNSET,
        )
        key = keys.spec(number)
        stored = decode(SpecRecord, store.create(key, encode(record)), key=key)
        known = SpecHistory(known.first if known else stored, stored)
