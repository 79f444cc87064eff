"""A rolling upgrade in the middle of an exploit loses nothing, wherever the former operator stopped; nor a rollback.

The next version is one that writes further fields into every record. One whose format is newer is waited for.
"""

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.errors import NewerFormat
from pbt_contract.records import Birth, Cause
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from service.upgrade.extended import NextVersion
from service.upgrade.record import OperatorDied
from simulation import Simulation
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

ROUND = 2
SCHEDULE = {"totalSteps": 50, "intervalSteps": 10, "quorumPercent": 100}
LOSERS = 3


class Dying(MemoryStore):
    """What an operator writes through that ends after so many writes of the exploit; 0: just before the first one."""

    def __init__(self, through: MemoryStore, *, writes: int) -> None:
        super().__init__()
        self._objects, self._names, self._lock = through._objects, through._names, through._lock
        self._through, self._left = through, writes

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        own = _belongs_to_the_exploit(key, data)
        if own and self._left == 0:
            raise OperatorDied
        stored = self._through.create(key, data)
        self._left -= own
        if own and self._left == 0:
            raise OperatorDied
        return stored


def _belongs_to_the_exploit(key: str, data: bytes) -> bool:
    return key == keys.round_(ROUND) or (
        key.startswith(keys.BIRTHS) and decode(Birth, data, key=key).round == ROUND
    )


def simulated(restart: str = "Recreate") -> Simulation:
    manifest = spec(
        DETERMINISTIC,
        members=6,
        schedule=SCHEDULE,
        exploit={"truncation": {"percent": 50}},
        restart=restart,
    )
    durations = Durations(start=1.0, stop=1.0, poll=0.5)
    return Simulation(manifest, Deterministic(), durations=durations, tick_seconds=1.0)


def of_version(name: str, shared: MemoryStore) -> MemoryStore:
    """What a process of `this` or the `next` version writes through."""
    return NextVersion(shared) if name == "next" else shared


def taken_over(simulation: Simulation, store: MemoryStore) -> None:
    """Another operator begins, with nothing but the store and the pods."""
    simulation.store = store
    simulation.operator_restarts()


def snapshot(store: MemoryStore) -> dict[str, bytes]:
    """Every record and how it is stored."""
    return {key: store.read(key) for key in store.names("") if not key.startswith(keys.CHECKPOINTS)}


@pytest.fixture(scope="module")
def undisturbed() -> list[object]:
    return decisions(read_archive(simulated().run().store).rounds)


@pytest.mark.parametrize("writes", range(LOSERS + 2))
@pytest.mark.parametrize("versions", ["this then next", "next then this", "next then next"])
@pytest.mark.parametrize("restart", ["Recreate", "InPlace"])
def test_an_upgrade_or_rollback_between_any_two_writes_of_an_exploit_loses_nothing(
    undisturbed, restart, versions, writes
):
    """Trainers stay what they were; the operator that follows ends what the former one has begun, and only that."""
    former, following = versions.split(" then ")
    simulation = simulated(restart)
    shared = simulation.store
    taken_over(simulation, Dying(of_version(former, shared), writes=writes))
    with pytest.raises(OperatorDied):
        simulation.run(max_seconds=1000)
    written = snapshot(shared)
    assert (keys.round_(ROUND) in written) == (writes > 0)
    for _ in range(3):  # nobody decides for a while, and trainers train
        simulation.time.after(1.0, lambda: None)
        simulation.time.advance()
    taken_over(simulation, of_version(following, shared))
    simulation.run(max_seconds=1000)
    told = read_archive(shared)
    assert audit.violations(shared, told) == []
    assert told.refused == {}
    assert decisions(told.rounds) == undisturbed
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    assert [birth.round for birth in told.births.values()].count(ROUND) == LOSERS
    assert written.items() <= snapshot(shared).items()


def test_trainers_of_the_next_version_are_understood(undisturbed):
    """As when a template gets an image with a newer SDK before the operator is upgraded."""
    simulation = simulated()
    simulation.pods.store = NextVersion(simulation.store)
    simulation.run(max_seconds=1000)
    told = read_archive(simulation.store)
    assert audit.violations(simulation.store, told) == []
    assert decisions(told.rounds) == undisturbed


@pytest.mark.parametrize(
    ("key", "restarted"),
    [
        (keys.report(ROUND, 5, 9), False),
        (keys.report(ROUND, 5, 9), True),
        (keys.birth(5, 2), True),
        (keys.round_(ROUND), True),
    ],
)
def test_an_operator_that_is_too_old_touches_nothing_and_trainers_go_on(undisturbed, key, restarted):
    """It comes upon a record of a newer format in its stride, or when it starts."""
    simulation = simulated()
    while simulation.time.now < 15:
        simulation.step()
    shared = simulation.store
    shared.put(key, b'{"format": 3}')
    ordered, reports = of_the_operator(shared), len(list(shared.names(keys.REPORTS)))
    pods = {pod.uid for pod in simulation.pods.observe() if not pod.ended}
    for _ in range(12):
        with pytest.raises(NewerFormat, match=key):
            one_pass(simulation, restarts=restarted)
        simulation.time.after(1.0, lambda: None)
        simulation.time.advance()
    assert of_the_operator(shared) == ordered
    assert {pod.uid for pod in simulation.pods.observe() if not pod.ended} == pods
    assert len(list(shared.names(keys.REPORTS))) > reports
    shared.delete([key])
    simulation.operator_restarts()
    simulation.run(max_seconds=1000)
    told = read_archive(shared)
    assert audit.violations(shared, told) == []
    assert decisions(told.rounds) == undisturbed
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}


def one_pass(simulation: Simulation, *, restarts: bool) -> None:
    if restarts:
        simulation.operator_restarts()
    simulation.reconciler.run_once()


def of_the_operator(store: MemoryStore) -> list[str]:
    """What operators write."""
    return [key for prefix in (keys.BIRTHS, keys.ROUNDS, keys.RESULTS) for key in store.names(prefix)]
