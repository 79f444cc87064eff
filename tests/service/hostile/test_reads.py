"""What one population's trainers write costs the operator a bounded number of reads, and its neighbours nothing."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.population import to_core
from pbt_operator.records.archive import read_archive
from pbt_operator.records.report_names import NAMES_BESIDES, NAMES_PER_MEMBER
from simulation import Simulation
from simulation.memory_store import MemoryStore

PAGE = 1000
ROUNDS = 6
SMALL = {"members": 4, "schedule": {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 75}}
LONG = {"members": 4, "schedule": {"totalSteps": 9_999_999, "intervalSteps": 1, "quorumPercent": 75}}


class Counting(MemoryStore):
    """Counts the requests that a real store would get."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.pages = 0

    def read(self, key: str) -> bytes:
        self.reads += 1
        return super().read(key)

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        found = super().names(prefix, start_after=start_after)
        self.pages += 1
        while page := list(islice(found, PAGE)):
            yield from page
            self.pages += len(page) == PAGE


def begun(changes: dict[str, Any]) -> tuple[Simulation, Counting]:
    """A population whose members have claimed their births and reported nothing."""
    store = Counting()
    simulation = Simulation(spec(DETERMINISTIC, **changes), Deterministic(), store=store)
    simulation.step()
    return simulation, store


def true_report(simulation: Simulation, member: int, number: int, **more: Any) -> tuple[str, bytes]:
    """A report that its birth agrees with, of whatever round."""
    birth = simulation.repository.birth(member, 1)
    step = number * simulation.spec.schedule.interval_steps
    report = {
        "format": 1, "member": member, "incarnation": 1, "step": step, "round": number, "metrics": {"score": 0.1},
        "hyperparameters": birth.hyperparameters, "checkpoint": keys.checkpoint(member, 1, step, "n"), "files": [],
    }  # fmt: skip
    return keys.report(number, member, 1), json.dumps({**report, **more}).encode()


def requests_of_a_pass(simulation: Simulation, store: Counting) -> tuple[int, int]:
    reads, pages = store.reads, store.pages
    simulation.passes()
    return store.reads - reads, store.pages - pages


def settle(simulation: Simulation) -> None:
    while not simulation.ended:
        assert simulation.time.now < 1e6
        simulation.step()


@pytest.mark.parametrize("number", [ROUNDS + 1, 100_000, 9_999_999])
def test_a_report_past_the_last_step_is_refused_once_and_read_to_by_nobody(number: int) -> None:
    simulation, store = begun(SMALL)
    key, data = true_report(simulation, 2, number)
    store.put(key, data)
    reads = [requests_of_a_pass(simulation, store)[0] for _ in range(3)]
    before = store.reads
    simulation.operator_restarts()
    assert max([*reads, store.reads - before]) < 50
    settle(simulation)
    told = [event.message for event in simulation.events if event.reason == "RecordRefused"]
    assert set(told) == {f"{key} is refused: {key}: is past the last step, 60"}
    assert len(told) == 2  # by each of two operators
    archive = read_archive(store)
    assert archive.status().phase is PopulationPhase.COMPLETE
    assert archive.refused == {key: f"{key}: step {number * 10} is past the last one, 60"}


@pytest.mark.parametrize("percent", [75, 100])
def test_a_far_report_within_the_steps_that_were_asked_for_is_not_read_to_either(percent: int) -> None:
    simulation, store = begun({**LONG, "schedule": {**LONG["schedule"], "quorumPercent": percent}})
    store.put(*true_report(simulation, 2, 5_000_000))
    reads = [requests_of_a_pass(simulation, store)[0] for _ in range(3)]
    before = store.reads
    simulation.operator_restarts()
    assert max([*reads, store.reads - before]) < 50


def test_names_beyond_what_members_can_have_made_are_not_listed_to_their_end() -> None:
    simulation, store = begun(SMALL)
    for number in range(30_000):
        store.put(f"reports/0000001/x{number:07}.json", b"")
    most = NAMES_BESIDES + NAMES_PER_MEMBER * 4
    for _ in range(5):
        _, pages = requests_of_a_pass(simulation, store)
        assert pages < most / PAGE + 12
    settle(simulation)
    assert read_archive(store).status().phase is PopulationPhase.COMPLETE


def test_a_report_of_a_life_that_skipped_rounds_is_read_to_its_first_gap() -> None:
    """None that its trainer has made before is missed: it skips none."""
    simulation, store = begun({**SMALL, "schedule": {**SMALL["schedule"], "totalSteps": 1000}})
    for number in (1, 2, 4, 90):
        store.put(*true_report(simulation, 2, number))
    simulation.passes()
    assert [report.round for report in simulation.repository.history.line_reports(2)] == [1, 2, 4, 90]
    reads, _ = requests_of_a_pass(simulation, store)
    assert reads < 20


def test_what_was_asked_for_once_stays_believed_when_less_is_asked_for() -> None:
    simulation, store = begun(SMALL)
    settle(simulation)
    shorter = Simulation(
        spec(DETERMINISTIC, **{**SMALL, "schedule": {**SMALL["schedule"], "totalSteps": 40}}),
        Deterministic(),
        store=store,
    )
    assert max(shorter.repository.history.rounds_seen()) == ROUNDS
    assert read_archive(store).refused == {}


def test_what_was_refused_is_believed_once_so_many_steps_are_asked_for() -> None:
    """Another operator may have accepted them earlier, and trainers may have come to there."""
    simulation, store = begun(SMALL)
    store.put(*true_report(simulation, 2, ROUNDS + 1))
    simulation.passes()
    assert simulation.repository.history.line_reports(2) == []
    longer = {**SMALL["schedule"], "totalSteps": 100}
    simulation.reconciler.replace_spec(to_core(spec(DETERMINISTIC, **{**SMALL, "schedule": longer})), 2)
    simulation.passes()
    assert [report.round for report in simulation.repository.history.line_reports(2)] == [ROUNDS + 1]
