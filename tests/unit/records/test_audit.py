"""The audit finds what it is there for: each kind of damage to a sound population is named."""

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Birth, Cause
from pbt_operator.core.round_record import Round
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.memory_store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return Simulation(spec(DETERMINISTIC, members=4), Deterministic()).run().store


def changed(record, **changes):
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{**fields, **changes})


def rewrite(store: MemoryStore, key: str, kind: type, **changes: object) -> None:
    store.put(key, encode(changed(decode(kind, store.read(key), key=key), **changes)))


def found(store: MemoryStore) -> str:
    return "\n".join(f"{v.invariant}: {v}" for v in audit.violations(store, read_archive(store)))


def an_exploit(store: MemoryStore) -> Birth:
    births = read_archive(store).births.values()
    return next(birth for birth in births if birth.cause is Cause.EXPLOIT)


def test_a_sound_population_has_no_violation(store):
    assert found(store) == ""


def test_a_writer_without_a_claim(store):
    store.delete([keys.claim(0, 1)])
    assert "1: reports/" in found(store)


def test_a_gap_in_the_incarnations(store):
    birth = an_exploit(store)
    newest = read_archive(store).history.newest_birth(birth.member)
    assert newest is not None
    missing = keys.birth(birth.member, newest.incarnation + 1)
    store.put(keys.birth(birth.member, 99), encode(changed(birth, incarnation=99)))
    assert f"2: {missing}: is missing: member {birth.member} has the incarnations" in found(store)


def test_a_source_that_does_not_exist(store):
    birth = an_exploit(store)
    assert birth.source is not None
    store.delete([birth.source.record])
    assert "which doesn't exist" in found(store)


def test_a_resume_that_lost_progress(store):
    newest = read_archive(store).history.newest_birth(0)
    assert newest is not None
    resumed = changed(newest, incarnation=newest.incarnation + 1, cause=Cause.RESUME)
    store.put(keys.birth(0, resumed.incarnation), encode(resumed))
    assert "3: births/00000-" in found(store)


def test_a_best_whose_checkpoint_is_gone(store):
    best = read_archive(store).best
    assert best is not None
    store.delete(list(store.names(best.source.checkpoint)))
    assert f"4: {best.source.record}: is the best, and its checkpoint" in found(store)


def test_decisions_that_do_not_follow_from_the_scores(store):
    decided = next(one for one in read_archive(store).rounds if one.decisions)
    rewrite(store, keys.round_(decided.number), Round, decisions=[])
    assert f"5: {decided.key}: its decisions don't follow from its scores" in found(store)


def test_a_loser_that_was_born_twice(store):
    birth = an_exploit(store)
    newest = read_archive(store).history.newest_birth(birth.member)
    assert newest is not None
    twin = changed(birth, incarnation=newest.incarnation + 1)
    store.put(keys.birth(birth.member, twin.incarnation), encode(twin))
    assert f"5: {twin.key}: is the second birth of member {birth.member}" in found(store)


def test_a_value_outside_its_space(store):
    birth = an_exploit(store)
    key = keys.birth(birth.member, birth.incarnation)
    rewrite(store, key, Birth, hyperparameters={**birth.hyperparameters, "rate": 5.0})
    assert "outside its space" in found(store)


@pytest.mark.parametrize(("due", "is_sound"), [(4, True), (5, False)])
def test_a_horizon_that_no_operator_can_have_planned(due, is_sound):
    """Round 6 of 20 is planned after round 4, which was due. Of two operators, one may not have known that yet."""
    schedule = {**DETERMINISTIC["schedule"], "burnInSteps": 100}
    manifest = spec(DETERMINISTIC, members=4, schedule=schedule, exploit={"horizonPercent": 20})
    store = Simulation(manifest, Deterministic()).run().store
    key = keys.round_(6)
    assert decode(Round, store.read(key), key=key).due == 8
    rewrite(store, key, Round, due=due)
    about_it = [line for line in found(store).splitlines() if line.startswith(f"5: {key}")]
    told = f"5: {key}: the round in which it says losers are due is {due}; should be 8"
    assert about_it == ([] if is_sound else [told])
