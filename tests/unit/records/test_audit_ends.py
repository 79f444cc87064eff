"""The audit of what follows from ends: each of these records is spoilt once, and named."""

from collections.abc import Callable

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation, TrainerCrashed
from simulation.memory_store import MemoryStore

SCHEDULE = {"totalSteps": 80, "intervalSteps": 10, "quorumPercent": 75}


class Region(Deterministic):
    """Deep members crash at once, and member 0 does so for a while, whatever it trains with."""

    def fate(self, member, step):
        return TrainerCrashed("RuntimeError: out of luck") if member == 0 and step <= 20 else None

    def train(self, state, hyperparameters, step, rng):
        if hyperparameters["depth"] > 5:
            raise TrainerCrashed("RuntimeError: CUDA out of memory")
        super().train(state, hyperparameters, step, rng)


@pytest.fixture(scope="module")
def recorded() -> MemoryStore:
    manifest = spec(DETERMINISTIC, members=6, backoffLimit=2, schedule=SCHEDULE)
    return Simulation(manifest, Region()).run().store


@pytest.fixture
def store(recorded) -> MemoryStore:
    copy = MemoryStore()
    for name in recorded.names(""):
        copy.put(name, recorded.read(name))
    return copy


def of(archive: Archive, is_one: Callable[[Birth], bool]) -> Birth:
    return next(birth for _, birth in sorted(archive.births.items()) if is_one(birth))


def wrong(store: MemoryStore) -> dict[str, str]:
    return {one.key: one.what for one in audit.violations(store, read_archive(store))}


def test_all_is_well_as_it_was_recorded(store):
    found = read_archive(store)
    assert wrong(store) == {}
    causes = {birth.cause for birth in found.births.values()}
    assert causes >= {Cause.CRASH, Cause.REPLACE, Cause.FAILED, Cause.SCALE}
    assert {end.life for end in found.ends.values()} <= found.births.keys()


@pytest.mark.parametrize("cause", [Cause.CRASH, Cause.REPLACE, Cause.FAILED])
@pytest.mark.parametrize(
    "changes", [{"crashes": 9}, {"blamed": 2}, {"reason": "because"}, {"seed_round": 7}], ids=str
)
def test_a_birth_after_a_crash_that_doesnt_follow_from_it(store, cause, changes):
    birth = of(read_archive(store), lambda one: one.cause is cause)
    store.put(birth.key, encode(replace(birth, **changes)))
    assert "doesn't follow from ends/" in wrong(store)[birth.key]


def test_hyperparameters_that_are_no_donors(store):
    found = read_archive(store)
    birth = of(found, lambda one: one.cause is Cause.REPLACE)
    changed = {**birth.hyperparameters, "rate": 0.05}
    store.put(birth.key, encode(replace(birth, hyperparameters=changed)))
    assert "doesn't follow from ends/" in wrong(store)[birth.key]


@pytest.mark.parametrize("changes", [{"exit_code": 137, "disrupted": True}, {"message": "another"}], ids=str)
def test_an_end_that_its_birth_doesnt_follow_from(store, changes):
    found = read_archive(store)
    birth = of(found, lambda one: one.cause is Cause.CRASH)
    end = found.ends[birth.member, birth.incarnation - 1]
    store.put(end.key, encode(replace(end, **changes)))
    assert f"doesn't follow from {end.key}" in wrong(store)[birth.key]


def test_an_end_of_nobody(store):
    end = replace(next(iter(read_archive(store).ends.values())), member=5, incarnation=99)
    store.put(end.key, encode(end))
    assert wrong(store) == {end.key: "is the end of a life that was never born"}


@pytest.mark.parametrize("changes", [{"crashes": 0}, {"blamed": UNSET}, {"seed_round": 2}], ids=str)
def test_a_member_that_came_back_otherwise(store, changes):
    birth = of(read_archive(store), lambda one: one.cause is Cause.SCALE)
    store.put(birth.key, encode(replace(birth, **changes)))
    assert birth.key in wrong(store)


def test_a_decision_that_sets_the_counters_back(store):
    found = read_archive(store)
    crash = of(found, lambda one: one.cause is Cause.CRASH and one.crashes == 1)
    after = found.births.get((crash.member, crash.incarnation + 1))
    assert after is not None
    resumed = replace(after, cause=Cause.RESUME, crashes=0, blamed=UNSET, decided=UNSET)
    store.put(after.key, encode(resumed))
    assert after.key in wrong(store)


@pytest.mark.parametrize("spoil", ["twice", "values", "blame", "nobody"])
def test_a_round_that_says_otherwise_what_crashed(store, spoil):
    found = read_archive(store)
    first, *later = [decided for decided in found.rounds if decided.crashed]
    one = first.crashed[0]
    other = {
        "twice": one,
        "values": replace(one, hyperparameters={**one.hyperparameters, "rate": 0.05}),
        "blame": replace(one, blamed=not one.blamed),
        "nobody": replace(one, incarnation=99),
    }[spoil]
    spoilt = later[0] if spoil == "twice" else first
    store.put(spoilt.key, encode(replace(spoilt, crashed=[other])))
    assert "crashed" in wrong(store)[spoilt.key]
