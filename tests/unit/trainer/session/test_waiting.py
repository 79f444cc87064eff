"""A trainer at its bound waits at the step boundary, ready for whatever comes meanwhile."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import ExitCode
from pbt_contract.yields import LifeName, Yield
from unit.trainer.population import Population, Trainer, until

OTHER = 3


def started(population: Population, **given: object) -> Trainer:
    """Member 0 runs free."""
    trainer = population.start(**given)  # type: ignore[arg-type]
    trainer.go(100)
    return trainer


def at_bound(population: Population, number: int = 1, **given: object) -> Trainer:
    """Member 0 has reported the round that the gate allows, and waits."""
    population.birth()
    trainer = started(population, **given)
    population.reported(number)
    time.sleep(0.5)
    assert population.report(number + 1) is None
    assert population.saves() == []
    return trainer


def test_it_waits_at_its_bound_and_goes_on_when_the_gate_opens(population: Population) -> None:
    population.gate(1, 1)
    trainer = at_bound(population)
    population.gate(2, 2)
    second = population.reported(2)
    assert isinstance(second.waited, float)
    assert second.waited >= 0.4
    assert second.seconds < 0.4
    assert population.reported(1).waited is UNSET
    population.gate(3, 3)
    assert trainer.end() == 0, trainer.errors()
    assert population.reported(3).step == 12


def test_a_wait_takes_hardly_any_time_of_the_processor(population: Population) -> None:
    population.gate(1, 1)
    trainer = at_bound(population)

    def spent(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    before = spent(trainer.pid) + spent(trainer.courier())
    time.sleep(3.0)
    assert spent(trainer.pid) + spent(trainer.courier()) - before < 0.5


def test_without_gates_it_waits_for_nobody(population: Population) -> None:
    population.birth()
    trainer = population.run()
    assert "ended FINISHED" in trainer.said


def test_an_open_gate_keeps_nobody(population: Population) -> None:
    population.gate(1, 3, awaits=0)
    population.birth()
    population.run()
    assert [population.reported(number).waited for number in (1, 2, 3)] == [UNSET] * 3


def test_sigterm_ends_a_wait_at_once(population: Population) -> None:
    population.gate(1, 1)
    trainer = at_bound(population)
    before = time.monotonic()
    trainer.terminate()
    assert trainer.end() == 0
    assert time.monotonic() - before < 3.0
    [mark] = population.saves()  # exit code 0 right after a report would say that the member is done
    assert (mark.step, mark.checkpoint) == (4, population.reported(1).checkpoint)
    assert isinstance(mark.waited, float)


def test_a_wait_at_a_gate_that_stays_out_of_reach_blames_nobody(population: Population) -> None:
    population.gate(1, 1)
    trainer = at_bound(population, store_patience_seconds=1.0)
    next_gate = population.folder / "store" / keys.gate(2)
    next_gate.symlink_to(next_gate.name)  # too many levels of symbolic links
    assert trainer.end() == ExitCode.STORAGE
    assert trainer.errors().count("how far training may go can't be read") == 1
    assert "giving up on the store" in trainer.errors()


def test_a_loser_at_its_bound_takes_its_next_birth_over_though_the_gate_opens(population: Population) -> None:
    population.gate(1, 1)
    population.birth(member=OTHER, hyperparameters={"rate": 2.0, "layers": 2})
    population.run(member=OTHER, total_steps=4)
    donor = population.reported(1, member=OTHER)
    trainer = at_bound(population, in_place=True, poll_seconds=60.0)
    population.exploit(donor, hyperparameters={"rate": 2.0, "layers": 2})
    population.gate(2, 2)
    second = population.reported(2, incarnation=2)
    assert isinstance(second.waited, float)
    assert isinstance(second.starting, float)
    assert second.starting < second.waited + 2.0
    assert population.report(2) is None
    population.gate(3, 3)
    assert trainer.end() == 0, trainer.errors()
    assert "restored 4 8.0" in trainer.said


def test_a_loser_that_is_started_anew_by_others_is_not_let_through(population: Population) -> None:
    population.gate(1, 1)
    trainer = at_bound(population)
    population.exploit(population.reported(1))
    population.gate(2, 3)
    time.sleep(0.5)
    trainer.terminate()
    assert trainer.end() == 0
    assert population.report(2) is None
    assert population.saves() == []


def test_a_process_that_resumes_at_its_bound_waits_before_its_first_step(population: Population) -> None:
    population.gate(1, 1)
    population.birth()
    population.run(total_steps=4)
    population.resume(population.reported(1))
    trainer = started(population, incarnation=2)
    trainer.hear("restored 4")
    time.sleep(0.5)
    trainer.terminate()
    assert trainer.end() == 0
    assert not any(line.startswith("step 5") for line in trainer.said)
    assert population.saves(incarnation=2) == []


def test_one_that_waits_before_its_first_step_makes_room_at_once(population: Population) -> None:
    population.gate(1, 1)
    for member in (0, OTHER):
        population.birth(member=member)
        population.run(member=member, total_steps=4)
    population.resume(population.reported(1))
    trainer = started(population, incarnation=2, in_place=True, shared_slots=True)
    trainer.hear("restored 4")
    population.resume(population.reported(1, member=OTHER), member=OTHER)
    asked = Yield(member=0, incarnation=2, to=LifeName(member=OTHER, incarnation=2))
    population.store.create(asked.key, encode(asked))
    until(lambda: population.claim(member=OTHER, incarnation=2))
    population.gate(2, 3)
    population.reported(2, member=OTHER, incarnation=2)
    assert population.saves(incarnation=2) == []
    trainer.process.kill()


def test_a_save_between_two_rounds_is_gone_on_from_where_the_round_is_open(population: Population) -> None:
    population.gate(1, 2)
    population.birth()
    trainer = population.start()
    trainer.step_until("step 6")
    trainer.terminate()
    assert trainer.end() == 0
    [save] = population.saves()
    population.resume(save)
    resumed = started(population, incarnation=2)
    population.reported(2, incarnation=2)
    time.sleep(0.3)
    assert population.report(3, incarnation=2) is None
    population.gate(2, 3)
    assert resumed.end() == 0


def test_a_wait_in_vain_ends_and_the_next_record_says_why(population: Population) -> None:
    """With a courier whose patience is short."""
    quick = (
        "import pbt_trainer.courier.gate_watch as g; "
        "g.FIRST_COUNT_SECONDS = g.COUNT_SECONDS = 0.1; g.MARGIN_SECONDS = 0.3"
    )
    folder = population.folder / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"try:\n    {quick}\nexcept ImportError:\n    pass\n")
    population.gate(1, 1, quorum=1)
    population.birth()
    trainer = population.start_command(
        [sys.executable, str(Path(__file__).parents[1] / "trainers" / "plain.py")],
        environment={"PYTHONPATH": str(folder)},
    )
    trainer.go(100)
    assert trainer.end() == 0, trainer.errors()
    second = population.reported(2)
    assert any(note.startswith("round 1 has had its 1 reports") for note in second.notes)
    assert not any(note.startswith("round 1") for note in population.reported(3).notes)
    assert trainer.errors().count("isn't decided") == 1


@pytest.fixture
def bell() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(b"\0pbt-test-bell-" + str(time.monotonic_ns()).encode())
        end.settimeout(10.0)
        yield end


def test_its_claim_and_each_committed_record_ring_the_bell(
    population: Population, bell: socket.socket
) -> None:
    population.birth()
    name = bell.getsockname()[1:].decode()
    trainer = population.start(bell=name)
    assert bell.recv(16)
    assert population.claim() is not None
    trainer.step_until("reported 4")
    assert bell.recv(16)
    assert population.report(1) is not None
    trainer.step_until("step 6")
    trainer.terminate()
    assert trainer.end() == 0
    assert bell.recv(16)
    assert len(population.saves()) == 1


def test_a_bell_that_nobody_hears_keeps_nobody(population: Population) -> None:
    population.birth()
    population.run(bell="pbt-test-nobody")
