"""A pass that may read only so much reads on in the next one, and everything is decided as if it had read at once."""

from collections.abc import Iterator
from random import Random

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.records import audit, paged_names
from pbt_operator.records.archive import read_archive
from pbt_operator.records.repository import Repository
from simulation import Simulation
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

UNEVEN = Durations(start=1.0, stop=1.0, poll=0.5, step=lambda member: 1.0 + member / 3)
TINY = {"reads": {"reads": 2}, "bytes": {"size": 1}, "seconds": {"seconds": 0.0}}


def records(store: MemoryStore) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.names("") if not key.startswith(keys.CHECKPOINTS)}


def run(changes: dict[str, object], *, seed: int, limits: dict[str, float]) -> Simulation:
    """A population whose operator restarts now and then, each pass with an allowance of its own."""
    chance = Random(seed)
    simulation = Simulation(
        spec(DETERMINISTIC, seed=seed, **changes),
        Deterministic(),
        durations=UNEVEN,
        allowance=lambda: Allowance(**limits),
    )
    while not simulation.ended:
        if chance.random() < 0.02:
            simulation.operator_restarts()
        simulation.step()
    return simulation


SCHEDULE = DETERMINISTIC["schedule"]


@pytest.mark.parametrize("limit", ["bytes", "seconds"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"restart": "InPlace", "parallelism": 3},
        {"schedule": {**SCHEDULE, "quorumPercent": 50}},
    ],
    ids=["in order", "in place", "with stragglers"],
)
def test_a_tiny_allowance_changes_no_record(changes, limit):
    whole, pieces = run(changes, seed=5, limits={}), run(changes, seed=5, limits=TINY[limit])
    assert records(pieces.store) == records(whole.store)
    assert [e.message for e in pieces.events] == [e.message for e in whole.events]


@pytest.mark.parametrize(
    "changes", [{}, {"restart": "InPlace", "parallelism": 3}], ids=["in order", "in place"]
)
def test_of_few_reads_few_pods_start_in_a_pass_and_no_decision_changes(changes):
    """What starts later takes other seconds and other turns, so all are waited for."""
    waits = {**changes, "schedule": {**SCHEDULE, "quorumPercent": 100}}
    whole, pieces = run(waits, seed=5, limits={}), run(waits, seed=5, limits=TINY["reads"])
    found, at_once = read_archive(pieces.store), read_archive(whole.store)
    assert decisions(found.rounds) == decisions(at_once.rounds) != []
    assert audit.violations(pieces.store, found) == []


def test_a_pass_that_has_something_left_to_read_does_nothing_else():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic(), tick_seconds=1)
    simulation.passes()
    while not list(simulation.store.names(keys.REPORTS)):
        simulation.time.advance()
    before, pods = records(simulation.store), list(simulation.pods.observe())
    reported = len(list(simulation.store.names(keys.REPORTS)))
    assert reported > 2
    left = [simulation.reconciler.run_once(allowance=Allowance(reads=1)).cursor for _ in range(reported - 1)]
    assert [cursor and cursor.reports for cursor in left] == list(range(reported - 1, 0, -1))
    assert records(simulation.store) == before
    assert list(simulation.pods.observe()) == pods
    assert simulation.passes().cursor is None


def test_what_is_read_at_the_start_is_read_in_pieces_too():
    store = Simulation(spec(DETERMINISTIC), Deterministic()).run().store

    def repository() -> Repository:
        return Repository(
            store, interval_steps=SCHEDULE["intervalSteps"], on_refused=lambda key, why: pytest.fail(why)
        )

    whole, pieces = repository(), repository()
    assert whole.load() is None
    left = []
    while (cursor := pieces.load(Allowance(reads=3))) is not None:
        left.append(cursor)
    assert isinstance(left[0], Cursor)
    assert left[0].births > 0
    assert max(cursor.reports for cursor in left) > 100
    for member in whole.history.members:
        assert pieces.history.line(member) == whole.history.line(member)
        assert pieces.history.records(member) == whole.history.records(member)
    assert pieces.history.newest_round == whole.history.newest_round
    assert pieces.take_fresh() == []


class _Listing(MemoryStore):
    """Counts the names of reports that are asked for."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        for key in store.names(""):
            self.put(key, store.read(key))
        self.listed: list[str] = []

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        for key in super().names(prefix, start_after=start_after):
            self.listed += [key] if key.startswith(keys.REPORTS) else []
            yield key


def test_names_of_reports_are_listed_at_the_start_in_pieces_too(monkeypatch):
    """However many there are; a page of them costs as much as a record."""
    monkeypatch.setattr(paged_names, "NAMES_A_READ", 10)
    store = _Listing(Simulation(spec(DETERMINISTIC), Deterministic()).run().store)
    for number in range(200):
        store.put(f"reports/0000003/junk-{number:04}", b"{}")
    names = set(store.names(keys.REPORTS))

    def repository() -> Repository:
        return Repository(
            store, interval_steps=SCHEDULE["intervalSteps"], on_refused=lambda key, why: pytest.fail(why)
        )

    whole, pieces = repository(), repository()
    assert whole.load() is None
    store.listed.clear()
    most, cursors = 0, 0
    while pieces.load(Allowance(reads=2)) is not None:
        most, cursors = max(most, len(store.listed)), cursors + 1
        store.listed.clear()
    assert most <= 21
    assert cursors > len(names) / 20
    for member in whole.history.members:
        assert pieces.history.line_records(member) == whole.history.line_records(member)
