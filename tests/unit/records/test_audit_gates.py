"""The audit works out each gate again from the records that it names."""

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.gates import Gate
from pbt_contract.yields import LifeName
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.memory_store import MemoryStore


@pytest.fixture(params=[75, 100])
def store(request) -> MemoryStore:
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": request.param}
    return Simulation(spec(DETERMINISTIC, members=4, schedule=schedule), Deterministic()).run().store


def found(store: MemoryStore) -> str:
    return "\n".join(f"{v.invariant}: {v}" for v in audit.violations(store, read_archive(store)))


def rewrite(store: MemoryStore, number: int, **changes: object) -> None:
    key = keys.gate(number)
    gate = decode(Gate, store.read(key), key=key)
    fields = {name: getattr(gate, name) for name in gate.__struct_fields__}
    store.put(key, encode(Gate(**{**fields, **changes})))


LIFE = LifeName(member=1, incarnation=1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"up_to": 9}, "opens round 9, awaiting 5 with"),
        ({"up_to": 5}, "opens round 5, awaiting 5 with"),
        ({"awaits": 6}, "awaiting 6 with"),
        (
            {"awaits": 0, "quorum": 0, "up_to": 20},
            "opens round 20, awaiting 0 with 0; should be 7, awaiting 5 with",
        ),
        ({"quorum": 2}, "with 2; should be"),
        ({"lead": 5}, "says the lead 5; should be 2"),
        ({"decided": 3}, "awaiting 5 with"),
        ({"decided": 99}, "follows from rounds/0000099.json, which doesn't exist"),
        ({"spec": 7}, "follows from specs/0000007.json, which doesn't exist"),
        ({"without": [LIFE]}, "doesn't wait for 00001-000001, which is neither over nor done"),
        (
            {"without": [LifeName(member=1, incarnation=99)]},
            "names births/00001-000099.json, which doesn't exist",
        ),
        (
            {"missing": [LifeName(member=9, incarnation=1)]},
            "names members twice, or some that its spec doesn't have",
        ),
        (
            {"uncounted": [LifeName(member=1, incarnation=98)]},
            "doesn't count what 00001-000098 hasn't reported",
        ),
    ],
)
def test_a_gate_that_is_not_what_follows(store: MemoryStore, changes: dict[str, object], told: str) -> None:
    assert found(store) == ""
    rewrite(store, 5, **changes)
    assert f"7: {keys.gate(5)}: " in found(store)
    assert told in found(store)


def test_a_gate_is_missing(store: MemoryStore) -> None:
    store.delete([keys.gate(3)])
    assert f"7: {keys.gate(3)}: is missing" in found(store)


def test_a_report_that_a_gate_leaves_out_though_no_birth_follows(store: MemoryStore) -> None:
    lives = [keys.life_in(key) for key in store.names(keys.reports_of(5))]
    born = set(store.names(keys.BIRTHS))
    kept = [life for life in lives if keys.birth(life.member, life.incarnation + 1) not in born]
    rewrite(store, 5, uncounted=[LifeName(member=kept[0].member, incarnation=kept[0].incarnation)])
    assert f"doesn't count the report of {keys.life(*kept[0])}, which no birth follows" in found(store)


def test_a_gate_that_cannot_be_read_or_was_written_otherwise(store: MemoryStore) -> None:
    store.put(keys.gate(4), b"{}")
    assert f"0: {keys.gate(4)}: " in found(store)
    store.put(keys.gate(4), store.read(keys.gate(5)).replace(b'"number":5', b'"number": 4'))
    assert "its bytes are not those of a record" in found(store)


def test_a_location_of_an_earlier_version_has_no_gates(store: MemoryStore) -> None:
    store.delete(list(store.names(keys.GATES)))
    assert found(store) == ""


@pytest.mark.parametrize("quorum", [75, 100])
def test_what_became_of_members_and_specs_on_the_way_is_sound(quorum: int) -> None:
    """A member is done early, the spec changes twice, and members are scaled away and come back."""
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum}
    simulation = Simulation(spec(DETERMINISTIC, members=4, schedule=schedule), Deterministic())
    while simulation.repository.history.decided < 4:
        simulation.step()
    for members, lead in ((2, 0), (5, 3), (1, 1), (4, 1)):
        changed = spec(DETERMINISTIC, members=members, schedule={**schedule, "maxLead": lead})
        simulation = Simulation(changed, Deterministic(), store=simulation.store)
        until = simulation.time.now + 25
        while simulation.time.now < until:
            simulation.step()
    simulation.run()
    assert found(simulation.store) == ""
    gates = [decode(Gate, simulation.store.read(key), key=key) for key in simulation.store.names(keys.GATES)]
    assert {gate.lead for gate in gates} >= {2, 3}
