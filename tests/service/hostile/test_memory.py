"""What trainers write takes the operator a bounded memory, and gives it no number that it can't write."""

import json
import tracemalloc
from collections.abc import Callable

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.limits import LONGEST_SECONDS, MAX_EVALUATIONS, MAX_METRICS, MAX_REPORT_BYTES
from pbt_operator.core.status import PopulationPhase
from pbt_operator.records import arrivals, report_names
from pbt_operator.records.archive import read_archive
from service.hostile.test_reads import SMALL, begun, settle, true_report
from simulation import Simulation
from simulation.memory_store import MemoryStore

MIB = 1024 * 1024
LONG = {"members": 4, "schedule": {"totalSteps": 200_000, "intervalSteps": 10, "quorumPercent": 75}}


class Making(MemoryStore):
    """Makes large records when they are read, so that what is measured is the reader's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Callable[[], bytes]] = {}

    def read(self, key: str) -> bytes:
        return self.made[key]() if key in self.made else super().read(key)


def full(data: bytes) -> bytes:
    """The report with about as much as one may hold."""
    report = json.loads(data)
    report["metrics"] |= {f"m{n}": [1.0] * MAX_EVALUATIONS for n in range(MAX_METRICS // 2)}
    report["notes"] = ["x" * 1000] * 50
    written = json.dumps(report).encode()
    assert MAX_REPORT_BYTES / 2 < len(written) <= MAX_REPORT_BYTES
    return written


def test_of_large_reports_one_is_held_at_a_time_and_little_of_each_is_kept() -> None:
    store = Making()
    simulation = Simulation(spec(DETERMINISTIC, **LONG), Deterministic(), store=store)
    simulation.step()
    for member in range(4):
        for number in (2, 3, 4):
            key, data = true_report(simulation, member, number)
            store.put(key, data)
            store.made[key] = lambda data=data: full(data)  # type: ignore[misc]
    tracemalloc.start()
    simulation.repository.refresh()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(simulation.repository.history.records(3)) == 3
    assert peak < 24 * MIB  # one with its text and its numbers
    assert held < 2 * MIB


@pytest.mark.parametrize("besides", [10_000, 100], ids=["listed", "asked for by their keys"])
def test_a_member_that_reports_far_ahead_is_not_held_to_its_end_and_the_others_decide(
    besides: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "HELD_BESIDES", 200)
    monkeypatch.setattr(arrivals, "HELD_PER_MEMBER", 10)
    monkeypatch.setattr(report_names, "NAMES_BESIDES", besides)
    simulation, store = begun(LONG)
    for number in range(2, 1500):
        store.put(*true_report(simulation, 2, number))
    for number in (1, 2, 3):
        for member in (0, 1, 3):
            store.put(*true_report(simulation, member, number))
    store.put(*true_report(simulation, 2, 1))
    simulation.passes()
    history = simulation.repository.history
    assert 200 < len(history.records(2)) < 200 + 4 * 10 + 300  # it is asked after so many at once
    assert history.decided == 3
    for member in (0, 1, 3):
        store.put(*true_report(simulation, member, 4))
    simulation.passes()
    assert history.decided == 4


class Lying(MemoryStore):
    """Its trainers tell other times than they took."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def create(self, key: str, data: bytes) -> bytes:
        if not key.startswith(keys.REPORTS):
            return super().create(key, data)
        told = dict.fromkeys(("seconds", "waited", "starting"), self.seconds)
        super().create(key, json.dumps({**json.loads(data), **told}).encode())
        return data


@pytest.mark.parametrize("seconds", [5e-324, 1.7e308])
def test_whatever_time_an_interval_is_said_to_take_every_number_that_is_written_is_one(
    seconds: float,
) -> None:
    changes = {**SMALL, "schedule": {**SMALL["schedule"], "quorumPercent": 100}}
    simulation = Simulation(spec(DETERMINISTIC, **changes), Deterministic(), store=Lying(seconds))
    settle(simulation)
    archive = read_archive(simulation.store)
    assert archive.status().phase is PopulationPhase.COMPLETE
    assert archive.refused == {}
    for key in [*simulation.store.names(keys.ROUNDS), *simulation.store.names(keys.RESULTS)]:
        json.loads(simulation.store.read(key), parse_constant=pytest.fail)
    spent = archive.status().seconds
    assert spent.total <= 3 * len(archive.reports) * LONGEST_SECONDS  # type: ignore[union-attr]
