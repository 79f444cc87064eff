"""Gates in a pass: when they are written, in what order, and that operators follow each other's."""

import pytest
from msgspec import UNSET

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.gates import Gate, newest_gate, read_gate
from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.pods import Phase
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

QUORUM_75 = {**DETERMINISTIC["schedule"], "quorumPercent": 75}


def gates(store: MemoryStore) -> list[Gate]:
    return [decode(Gate, store.read(key), key=key) for key in store.names(keys.GATES)]


class Diary(MemoryStore):
    """Notes the keys in the order in which they were written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def create(self, key: str, data: bytes) -> bytes:
        stored = super().create(key, data)
        if stored == data:
            self.written.append(key)
        return stored


def test_each_round_that_replaces_somebody_opens_the_next_gate_after_its_births() -> None:
    store = Diary()
    Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Deterministic(), store=store).run()
    rounds = [key for key in store.written if key.startswith(keys.ROUNDS)]
    assert len(rounds) == 20
    births = [decode(Birth, store.read(key), key=key) for key in store.names(keys.BIRTHS)]
    place = store.written.index
    for number in range(1, 17):
        assert place(keys.round_(number)) < place(keys.gate(number + 1))
        assert all(place(b.key) < place(keys.gate(number + 1)) for b in births if b.round == number)
    assert {birth.round for birth in births} > {1, 2, 3}
    found = gates(store)
    assert [gate.number for gate in found] == list(range(1, len(found) + 1))
    assert [gate.up_to for gate in found][:3] == [3, 4, 5]
    assert (found[-1].up_to, found[-1].awaits) == (20, 0)


def test_the_first_gate_is_there_before_any_process_starts() -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    seen: list[list[Gate]] = []
    start = simulation.pods.start
    simulation.pods.start = lambda birth: (seen.append(gates(simulation.store)), start(birth))[1]  # type: ignore[method-assign]
    simulation.passes()
    assert [[gate.number for gate in one] for one in seen] == [[1]] * 8


def test_a_suspended_population_gets_no_gate() -> None:
    simulation = Simulation(spec(DETERMINISTIC, suspend=True), Deterministic())
    simulation.passes()
    assert gates(simulation.store) == []


def test_a_later_operator_finds_the_newest_gate_and_writes_none_twice() -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    for _ in range(40):
        simulation.step()
        simulation.operator_restarts()
    known = gates(simulation.store)
    assert (
        simulation.repository.gates.newest
        == known[-1]
        == newest_gate(lambda n: read_gate(simulation.store, n))
    )
    simulation.passes()
    assert gates(simulation.store) == known


def test_an_operator_follows_the_gate_of_one_that_knows_more() -> None:
    """The other has decided a round and closed a life of which this one hasn't heard."""
    simulation = Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Deterministic())
    simulation.passes()
    ahead = Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Deterministic(), store=simulation.store)
    while ahead.repository.history.decided < 3:
        ahead.step()
    known = gates(simulation.store)
    assert simulation.repository.history.decided == 0
    simulation.passes()
    simulation.passes()
    assert simulation.repository.gates.newest == gates(simulation.store)[-1]
    assert gates(simulation.store)[: len(known)] == known
    assert [gate.up_to for gate in gates(simulation.store)] == sorted(
        gate.up_to for gate in gates(simulation.store)
    )


def test_a_gate_whose_writing_was_never_answered_counts_once() -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    simulation.passes()
    lost = gates(simulation.store)[0]
    simulation.repository.gates.newest = None
    simulation.passes()
    assert gates(simulation.store) == [lost]
    assert encode(lost) == simulation.store.read(keys.gate(1))
    assert Life(0, 1) not in {name.life for name in lost.without}


def test_who_waits_at_a_gate_is_not_taken_for_hung() -> None:
    """Member 1 hangs twice, is stopped after its deadline and reports late; member 0 waits for it all that time."""
    schedule = {**DETERMINISTIC["schedule"], "progressDeadlineSeconds": 30, "maxLead": 0}
    first = [{"rate": 0.05, "depth": 1}, {"rate": 0.0001, "depth": 8}]  # member 0 is never replaced
    manifest = spec(DETERMINISTIC, members=2, schedule=schedule, initial=first)
    simulation = Simulation(manifest, Deterministic())
    simulation.pods.durations = Durations(
        step=lambda member: 1000.0 if member == 1 and simulation.time.now < 40 else 0.5
    )
    simulation.run(max_seconds=3000)
    crashed = [event for event in simulation.events if event.reason == "Crashed"]
    assert {event.member for event in crashed} == {1}
    late = read_archive(simulation.store).reports[keys.report(2, 0, 1)]
    assert late.waited is not UNSET
    assert late.waited > 30
    assert late.seconds == 5.0


@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
@pytest.mark.parametrize("quorum", [75, 100])
@pytest.mark.parametrize("lead", [0, 1])
def test_who_waits_makes_room_though_it_has_not_reported_in_this_life(
    restart: str, quorum: int, lead: int
) -> None:
    """Two members share a slot. The one behind is killed on its way; the other gets the slot and can only wait."""
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum, "maxLead": lead}
    manifest = spec(DETERMINISTIC, members=2, parallelism=1, restart=restart, schedule=schedule)
    simulation = Simulation(manifest, Deterministic(), tick_seconds=1.0)
    killed, position = 0, simulation.repository.history.position
    while not simulation.ended and simulation.time.now < 3000:
        simulation.step()
        for trainer in list(simulation.pods._trainers.values()):
            is_behind = position(trainer.member) < position(1 - trainer.member)
            began = trainer.stretch_began
            if (
                trainer.pod.phase is Phase.RUNNING
                and is_behind
                and killed < 5
                and 2 < simulation.time.now - began < 9
            ):
                trainer.kill()
                killed += 1
    assert killed == 5
    assert simulation.ended
    assert [decided.number for decided in read_archive(simulation.store).rounds] == list(range(1, 21))
