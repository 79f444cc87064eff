"""A pass reads and writes no more than its allowance has, whatever happens to a population: counted in all passes."""

from collections.abc import Iterator
from heapq import merge

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.errors import RecordRefused
from pbt_operator.control.taking import failed_result
from pbt_operator.core.allowance import Allowance
from pbt_operator.records import (
    large_records,
    metered,
    owners,
    paged_names,
    report_names,
    results,
    round_log,
    specs,
)
from simulation import Simulation
from simulation.memory_store import MemoryStore

READS, MEMBERS = 40, 100
BESIDE = 20  # what each station of a pass does in any case
SCHEDULE = {**DETERMINISTIC["schedule"], "totalSteps": 30}


class Counting(MemoryStore):
    """Counts the birth records that are written."""

    births = 0

    def create(self, key: str, data: bytes) -> bytes:
        self.births += key.startswith(keys.BIRTHS)
        return super().create(key, data)


class Passes:
    """The most that a pass of a population has read, and how many births it has written."""

    def __init__(self, store: Counting, **changes: object) -> None:
        self.reads = self.births = 0
        self.simulation = Simulation(
            spec(DETERMINISTIC, **{"members": MEMBERS, "schedule": SCHEDULE, **changes}),
            Deterministic(),
            store=store,
            allowance=lambda: Allowance(reads=READS),
        )
        self.count(store)

    def count(self, store: Counting) -> None:
        run_once, counted = self.simulation.reconciler.run_once, self.simulation.repository.store

        def measured(*arguments: object, **more: object) -> object:
            reads, births = counted.num_reads, store.births
            done = run_once(*arguments, **more)  # type: ignore[arg-type]
            self.reads = max(self.reads, counted.num_reads - reads)
            self.births = max(self.births, store.births - births)
            return done

        self.simulation.reconciler.run_once = measured  # type: ignore[assignment]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"restart": "InPlace", "parallelism": 60},
        {"schedule": {**SCHEDULE, "quorumPercent": 50}},
    ],
    ids=["all at once", "in turns", "with stragglers"],
)
def test_first_births_rounds_ends_and_the_result_take_many_passes(changes: dict[str, object]) -> None:
    """All births are ordered at once, all processes end at once, and the result tells of all members."""
    store = Counting()
    passes = Passes(store, **changes)
    ended = passes.simulation.run().last
    assert ended is not None
    assert ended.result is not None
    assert len(ended.result.members) == MEMBERS
    assert passes.reads <= READS + BESIDE
    assert passes.births <= READS + BESIDE
    assert store.births > 2 * READS  # else nothing had to wait


class Junk(Counting):
    """Shows names that no member has made before, between and after those that are there."""

    junk: tuple[str, ...] = ()
    each = 0

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        found = super().names(prefix, start_after=start_after)
        if prefix not in self.junk:
            return found
        names = (f"{prefix}{n:06}-x" for n in range(self.each))
        return merge(found, (name for name in names if name > start_after))


READ_ON = (
    keys.BIRTHS,
    keys.CLAIMS,
    keys.YIELDS,
    keys.ENDS,
    keys.ROUNDS,
    keys.REPORTS,
    keys.SAVES,
    keys.GATES,
)


def test_junk_names_below_every_prefix_are_listed_over_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred pages each, as 200,000 names would have: when a location is opened, and in each pass to the end."""
    for module in (paged_names, metered, round_log):
        monkeypatch.setattr(module, "NAMES_A_READ", 10)
    monkeypatch.setattr(report_names, "NAMES_BESIDES", 0)  # a limit of its own, which the members set
    store = Junk()
    store.junk, store.each = READ_ON, 2000
    passes = Passes(store, members=4)
    opened, load = list[float](), type(passes.simulation.repository).load

    def spent(repository: object, allowance: Allowance) -> object:
        before = repository.store.num_reads  # type: ignore[attr-defined]
        left = load(repository, allowance)  # type: ignore[arg-type]
        opened.append(repository.store.num_reads - before)  # type: ignore[attr-defined]
        return left

    monkeypatch.setattr(type(passes.simulation.repository), "load", spent)
    passes.simulation.operator_restarts()
    assert len(opened) > 5 * 200 / (READS + BESIDE)
    passes.count(store)
    ended = passes.simulation.run().last
    assert ended is not None
    assert ended.result is not None
    assert max(opened) <= READS + BESIDE
    assert passes.reads <= READS + BESIDE


@pytest.mark.parametrize("prefix", [keys.SPECS, keys.OWNERS, keys.RESULTS])
def test_more_numbered_names_than_any_population_writes_are_refused(prefix: str) -> None:
    store = Junk()
    store.junk, store.each = (prefix,), paged_names.MOST_NUMBERED + 1
    read = {keys.SPECS: specs.newest, keys.OWNERS: owners.current, keys.RESULTS: results.newest_head}[prefix]
    with pytest.raises(RecordRefused, match=f"{prefix}: there are more than 10000 names"):
        read(store)
    store.each -= 1
    assert read(store) is None


def test_whether_a_population_failed_is_read_in_one_record_however_large_the_result_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(large_records, "WHOLE_BYTES", 3000)
    monkeypatch.setattr(large_records, "CUT_BYTES", 1000)
    store = MemoryStore()
    Simulation(spec(DETERMINISTIC, schedule=SCHEDULE), Deterministic(), store=store).run()
    (result,) = store.names(keys.RESULTS)
    assert b'"pieces":' in store.read(result)
    counted = metered.Metered(store)
    assert failed_result(counted) is None
    assert counted.num_reads == 4  # the names of specs and results, and the newest of each
