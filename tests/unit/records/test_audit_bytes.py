"""One changed byte in a record of the operator is found, whichever it is, and the record is named."""

import math
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode_report, encode
from pbt_contract.errors import NewerFormat
from pbt_contract.records import Cause, Report
from pbt_contract.scores import wire_metrics
from pbt_operator.records.archive import read_archive
from pbt_operator.records.audit import violations
from simulation import Simulation
from simulation.memory_store import MemoryStore


class Diverging(Deterministic):
    """An evaluation is two episodes, and the second one may diverge."""

    def evaluate(self, state: dict[str, Any], hyperparameters: Any, rng: Random) -> float | list[float]:
        """The scores of both."""
        score = super().evaluate(state, hyperparameters, rng)
        return [score, math.nan if rng.random() < 0.5 else score + 0.01]


def recorded() -> MemoryStore:
    schedule = {"totalSteps": 30, "intervalSteps": 10, "quorumPercent": 100}
    return Simulation(spec(DETERMINISTIC, members=2, seed=36, schedule=schedule), Diverging()).run().store


STORE = recorded()
ROUNDS = sorted(STORE.names(keys.ROUNDS))
BIRTHS = sorted(STORE.names(keys.BIRTHS))


def found(store: MemoryStore) -> set[str]:
    """The keys of the records that something is wrong with."""
    try:
        return {violation.key for violation in violations(store, read_archive(store))}
    except NewerFormat as refusal:
        return {str(refusal).partition(":")[0]}


def found_after(key: str, position: int, mask: int) -> set[str]:
    """What is found after one byte of a record was changed."""
    data = STORE.read(key)
    spoilt = bytearray(data)
    spoilt[position] ^= mask
    try:
        STORE.put(key, bytes(spoilt))
        return found(STORE)
    finally:
        STORE.put(key, data)


def test_the_recorded_population_has_all_that_a_round_can_say():
    told = read_archive(STORE)
    assert found(STORE) == set()
    assert len(told.rounds) == 3
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL, Cause.EXPLOIT, Cause.ROLLBACK}
    entries = [entry for decided in told.rounds for entry in decided.entries]
    assert any(entry.score is None for entry in entries)
    assert any(entry.ancestor for entry in entries)
    assert any(len(entry.values) == 2 for entry in entries)
    assert all(decided.best for decided in told.rounds)


@pytest.mark.parametrize("key", ROUNDS + BIRTHS)
def test_a_changed_byte_is_found_at_every_position(key):
    for position in range(len(STORE.read(key))):
        mask = 1 << position % 8
        assert key in found_after(key, position, mask), (position, mask)


def places() -> Iterator[st.SearchStrategy[tuple[str, int]]]:
    for key in ROUNDS:
        yield st.tuples(st.just(key), st.integers(0, len(STORE.read(key)) - 1))


@given(st.one_of(*places()), st.integers(1, 255))
def test_any_other_byte_is_found(place, mask):
    key, position = place
    assert key in found_after(key, position, mask)


def test_a_report_that_a_round_compared_cant_change_unnoticed():
    for decided in read_archive(STORE).rounds:
        for entry in decided.entries:
            key = entry.source.record
            data = STORE.read(key)
            report = decode_report(data, key=key)
            try:
                STORE.put(key, encode(_with_another_score(report)))
                assert decided.key in found(STORE)
                STORE.delete([key])
                assert decided.key in found(STORE)
            finally:
                STORE.put(key, data)


def _with_another_score(report: Report) -> Report:
    fields = {name: getattr(report, name) for name in report.__struct_fields__}
    return Report(**{**fields, "metrics": wire_metrics({"score": [0.5, 0.25]})})
