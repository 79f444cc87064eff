"""Which checkpoint of a population is asked for, read from its records alone: the best, the final one, a member's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, Self

from pbt_contract import keys
from pbt_contract.counting import counts, line, report_fault
from pbt_contract.encoding import decode, decode_report
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.records import Birth, Count, Record, Report, Source
from pbt_contract.stores import Store

READERS = 16  # threads: an object store answers each read in tens of milliseconds


class _Objective(Record, frozen=True):
    metric: str
    goal: Literal["Maximize", "Minimize"]


class _Schedule(Record, frozen=True):
    interval_steps: Count


class _Spec(Record, frozen=True):
    objective: _Objective
    schedule: _Schedule


class _SpecRecord(Record, frozen=True):
    name: str
    spec: _Spec


class _Entry(Record, frozen=True):
    member: int
    score: float | None
    source: Source


class _Round(Record, frozen=True):
    entries: list[_Entry]


def choose(store: Store, which: str | int) -> Report:
    """The record that committed the checkpoint.

    Args:
        store: opened at the population's location.
        which: `best`: ever; `final`: the best of the newest decided round; a number: the newest of that member.

    Raises:
        NotFound: there is no population, or no such checkpoint.
        NewerFormat: a newer version has written something here.
        RecordRefused: a record that the answer depends on is malformed.
    """
    number = keys.newest_number(store.names(keys.SPECS))
    if not number:
        raise NotFound(f"there is no population at {store.url}")
    spec = decode(_SpecRecord, store.read(keys.spec(number)), key=keys.spec(number)).spec
    if which == "final":
        return _final(store, spec.objective)
    return _Records.of(store, interval_steps=spec.schedule.interval_steps).choose(which, spec.objective)


def _final(store: Store, objective: _Objective) -> Report:
    number = keys.newest_number(store.names(keys.ROUNDS))
    key = keys.round_(number)
    entries = decode(_Round, store.read(key), key=key).entries if number else []
    scored = [
        (_utility(entry.score, objective), -entry.member, entry)
        for entry in entries
        if entry.score is not None
    ]
    if not scored:
        raise NotFound(f"no round with a finite {objective.metric} was decided yet at {store.url}")
    _, _, best = max(scored, key=lambda one: one[:2])
    return decode_report(store.read(best.source.record), key=best.source.record)


class _Records:
    """All births and records of a location; malformed ones are left out, as everybody leaves them out."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._births: dict[int, dict[int, Birth]] = {}
        self._records: dict[int, list[Report]] = {}

    @classmethod
    def of(cls, store: Store, *, interval_steps: int) -> Self:
        found = cls(store.url)
        with ThreadPoolExecutor(READERS) as threads:
            read = partial(_read, store)
            for birth in threads.map(read, list(store.names(keys.BIRTHS))):
                if isinstance(birth, Birth):
                    found._births.setdefault(birth.member, {})[birth.incarnation] = birth
            for record in threads.map(read, [*store.names(keys.REPORTS), *store.names(keys.SAVES)]):
                if isinstance(record, Report):
                    found._add(record, interval_steps)
        return found

    def _add(self, record: Report, interval_steps: int) -> None:
        birth = self._births.get(record.member, {}).get(record.incarnation)
        if report_fault(record, birth, interval_steps=interval_steps) is None:
            self._records.setdefault(record.member, []).append(record)

    def choose(self, which: str | int, objective: _Objective) -> Report:
        found = self._newest(which) if isinstance(which, int) else self._best(objective)
        if found is None:
            nothing = f"no member has reported a finite {objective.metric} yet"
            reason = f"member {which} has no checkpoint" if isinstance(which, int) else nothing
            raise NotFound(f"{reason} at {self._url}")
        return found

    def _best(self, objective: _Objective) -> Report | None:
        """Of equals the earliest step, then the lowest member."""
        found = [
            (-_utility(score, objective), record.step, record.member, record.incarnation, record)
            for member in self._records
            for record in self._counting(member)
            if record.round is not None and (score := record.score(objective.metric)) is not None
        ]
        return min(found, key=lambda one: one[:4])[-1] if found else None

    def _newest(self, member: int) -> Report | None:
        births = self._births.get(member, {})
        incarnations = {birth.incarnation for birth in line(births, newest=max(births, default=0))}
        found = [record for record in self._counting(member) if record.incarnation in incarnations]
        return max(found, key=lambda r: (r.step, r.round is None, r.incarnation), default=None)

    def _counting(self, member: int) -> Iterator[Report]:
        births = self._births.get(member, {})
        newest = max(births, default=0)
        return (record for record in self._records.get(member, ()) if counts(record, births, newest=newest))


def _read(store: Store, key: str) -> Birth | Report | None:
    try:
        data = store.read(key)
        return decode(Birth, data, key=key) if key.startswith(keys.BIRTHS) else decode_report(data, key=key)
    except NewerFormat:
        raise
    except (NotFound, RecordRefused):
        return None


def _utility(score: float, objective: _Objective) -> float:
    return score if objective.goal == "Maximize" else -score
