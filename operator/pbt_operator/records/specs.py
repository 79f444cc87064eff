"""The spec records: the accepted spec of a population, as it changed."""

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.records import Record
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.location_records import SpecHistory, SpecRecord
from pbt_operator.manifest.env_values import without_env_values
from pbt_operator.records.paged_names import newest_number, numbers
from pbt_operator.records.parallel import decoded, read_each

SPECS_AT_ONCE = 256


class _Schedule(Record, frozen=True):
    total_steps: int


class _Asked(Record, frozen=True):
    schedule: _Schedule


class _Totals(Record, frozen=True):
    """What `last_step` needs of a spec record."""

    spec: _Asked


def newest(store: Store) -> SpecRecord | None:
    """The spec record in force; None if the location is empty."""
    number = newest_number(store, keys.SPECS)
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


class LastStep:
    """The largest totalSteps that was ever accepted: members may have trained to there.

    Attributes:
        found: among the specs that were read; 0 if the location is empty.
        unread: the keys of the others.
    """

    def __init__(self, store: Store, *, readers: int = 1) -> None:
        """Knows the names of all specs, and reads so many at once."""
        self._store, self._readers = store, readers
        self.found = 0
        self.unread = deque(keys.spec(number) for number in numbers(store, keys.SPECS))

    def go_on(self, allowance: Allowance) -> int:
        """Reads on; returns how many the allowance leaves unread."""
        while self.unread:
            some = list(islice(self.unread, allowance.at_once(SPECS_AT_ONCE)))
            for key, data in zip(some, read_each(self._store, some, readers=self._readers), strict=True):
                if data is not None:
                    self.found = max(self.found, _total_steps(data, key))
            for _ in some:
                self.unread.popleft()
            allowance.spend(reads=len(some))
            if allowance.is_spent:
                break
        return len(self.unread)


def _total_steps(data: bytes | RecordRefused, key: str) -> int:
    try:
        return decoded(_Totals, data, key=key).spec.schedule.total_steps
    except NewerFormat:
        raise
    except RecordRefused:
        return 0  # whoever follows it tells of it


def last_step(store: Store, *, readers: int = 1) -> int:
    """All that `LastStep` finds, at once."""
    last = LastStep(store, readers=readers)
    last.go_on(Allowance())
    return last.found


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
