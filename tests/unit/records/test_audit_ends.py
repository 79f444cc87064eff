"""The audit of what follows from ends: each of these records is spoilt once, and named."""

from collections.abc import Callable

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause
from pbt_operator.core.round_record import Round
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
    first = next(decided for decided in found.rounds if decided.crashed)
    one = first.crashed[0]
    told = {
        "twice": [one, one],
        "values": [replace(one, hyperparameters={**one.hyperparameters, "rate": 0.05})],
        "blame": [replace(one, blamed=not one.blamed)],
        "nobody": [replace(one, incarnation=99)],
    }[spoil]
    store.put(first.key, encode(replace(first, crashed=told)))
    assert "crashed" in wrong(store)[first.key]


def crashed_faults(store: MemoryStore, decided: Round) -> list[str]:
    """What the audit says of a round's crashes, among all that may be wrong with it."""
    store.put(decided.key, encode(decided))
    found = audit.violations(store, read_archive(store))
    return [one.what for one in found if one.key == decided.key and "crashed" in one.what]


def after_which(store: MemoryStore, decided: Round) -> int:
    """The round that was the newest one when a round's first crash was recorded."""
    one = decided.crashed[0]
    return read_archive(store).births[one.member, one.incarnation + 1].decided


def test_a_round_that_says_what_a_round_before_it_said_of_crashes_and_knew_that_one(store):
    """Lives that the one before gave birth to are compared."""
    first, later, *_ = [decided for decided in read_archive(store).rounds if decided.crashed]
    known = max(decided.number for decided in read_archive(store).rounds if decided.number < later.number)
    assert crashed_faults(store, replace(later, crashed=first.crashed)) == [
        f"it says what crashed after round {after_which(store, first)}, and it knew round {known}"
    ]


def test_two_operators_at_once_may_both_say_what_crashed_since_the_same_round(store):
    """One passes over a round that the other decides: neither has heard of the other's."""
    first, later, *_ = [decided for decided in read_archive(store).rounds if decided.crashed]
    apart = replace(later, entries=[entry for entry in later.entries if entry.incarnation == 1])
    assert crashed_faults(store, replace(apart, crashed=first.crashed)) == []


def test_a_round_that_says_what_crashed_after_two_rounds(store):
    first, later, *_ = [decided for decided in read_archive(store).rounds if decided.crashed]
    apart = replace(later, entries=[])
    [what] = crashed_faults(store, replace(apart, crashed=[*first.crashed, *later.crashed]))
    assert what.startswith("it says what crashed after each of the rounds ")
