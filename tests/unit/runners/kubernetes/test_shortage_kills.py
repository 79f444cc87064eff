"""Fewer places than members, and an operator that is killed again and again: nothing of it changes a decision."""

import signal
from collections.abc import Iterator
from random import Random
from time import sleep
from typing import Any

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_operator.records.archive import read_archive
from simulation import Simulation

SCHEDULE = {"totalSteps": 4000, "intervalSteps": 10, "quorumPercent": 100}
SPEC: dict[str, Any] = {"members": 4, "schedule": SCHEDULE}
KILLS, PLACES = 20, 2


@pytest.fixture
def two_places(world, team) -> Iterator[None]:
    world.node.places[team.name] = PLACES
    yield
    del world.node.places[team.name]


@pytest.mark.slow
def test_twenty_kills_during_a_shortage_change_no_decision(world, team, two_places):
    uid = team.create("short", **SPEC, restart="InPlace", step_seconds=0.3)["metadata"]["uid"]
    team.wait("short", "Progressing", "True", "TakingTurns")
    chance = Random(5)
    for _ in range(KILLS):
        sleep(chance.uniform(0.2, 1.5))
        world.operator.end(signal.SIGKILL)
        world.operator.start()
    team.until(lambda: team.read("short")["status"]["rounds"] >= 5)
    team.change("short", finish=True)
    team.wait("short", "Complete", "True", "Finished")
    told = team.archive("short")
    number = len(told.rounds)
    schedule = {**SCHEDULE, "totalSteps": 10 * (number + 1)}
    whole = Simulation(spec(DETERMINISTIC, **{**SPEC, "schedule": schedule}), Deterministic()).run()
    assert decisions(told.rounds) == decisions(read_archive(whole.store).rounds[:number])
    assert list(team.store("short").names(keys.YIELDS))
    assert world.node.most[uid] == PLACES
    assert world.node.doubled == []
    assert world.node.started[uid] <= PLACES
