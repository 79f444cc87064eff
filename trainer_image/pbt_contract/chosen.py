"""Which checkpoint of a population is asked for, read from its records alone: the best, the final one, a member's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, Self

from pbt_contract import keys
from pbt_contract.counting import counts, line, report_fault
from pbt_contract.encoding import decode, decode_report
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.records import IN_PIECES, Birth, Count, IncarnationNumber, MemberNumber, Record, Report
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


class _Final(Record, frozen=True):
    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count


class _Result(Record, frozen=True):
    spec: Count
    final: _Final | None


def choose(store: Store, which: str | int) -> Report:
    """The record that committed the checkpoint.

    Args:
        store: opened at the population's location.
        which: `best`: ever; `final`: at the end, of the members' newest scores; a number: the newest of that member.

    Raises:
        NotFound: there is no population, or no such checkpoint.
        NewerFormat: a newer version has written something here.
        RecordRefused: a record that the answer depends on is malformed.
    """
    number = keys.newest_number(store.names(keys.SPECS))
    if not number:
        raise NotFound(f"there is no population at {store.url}")
    spec = decode(_SpecRecord, store.read(keys.spec(number)), key=keys.spec(number)).spec
    interval_steps = spec.schedule.interval_steps
    ended = _result(store, spec_number=number) if which == "final" else None
    if ended is None:
        return _Records.of(store, interval_steps=interval_steps).choose(which, spec.objective)
    if ended.final is None:
        raise NotFound(f"no member had a finite {spec.objective.metric} at the end at {store.url}")
    final = ended.final
    key = keys.report(-(-final.step // interval_steps), final.member, final.incarnation)
    return decode_report(store.read(key), key=key)


def _result(store: Store, *, spec_number: int) -> _Result | None:
    """How it ended under its newest spec, if it has."""
    number = keys.newest_number(store.names(keys.RESULTS))
    key = keys.result(number)
    ended = decode(_Result, store.read(key), key=key, known=IN_PIECES) if number else None
    return ended if ended is not None and ended.spec == spec_number else None


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
        if isinstance(which, int):
            found = self._newest(which)
        else:
            found = self._final(objective) if which == "final" else self._best(objective)
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

    def _final(self, objective: _Objective) -> Report | None:
        """The best of the members' newest scores; of equals the lowest member."""
        found = []
        for member in self._records:
            reports = [record for record in self._of_line(member) if record.round is not None]
            newest = max(reports, key=lambda r: (r.step, r.incarnation), default=None)
            score = newest.score(objective.metric) if newest is not None else None
            if score is not None:
                found.append((_utility(score, objective), -member, newest))
        return max(found, key=lambda one: one[:2])[-1] if found else None

    def _newest(self, member: int) -> Report | None:
        return max(
            self._of_line(member), key=lambda r: (r.step, r.round is None, r.incarnation), default=None
        )

    def _of_line(self, member: int) -> Iterator[Report]:
        births = self._births.get(member, {})
        incarnations = {birth.incarnation for birth in line(births, newest=max(births, default=0))}
        return (record for record in self._counting(member) if record.incarnation in incarnations)

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
