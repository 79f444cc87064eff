"""Populations with sub-populations from their beginning to their end: audited, whatever happens on the way."""

from dataclasses import replace
from random import Random

import pytest
from msgspec import UNSET

from fixtures.decided import decisions
from fixtures.disturbed import run_disturbed
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.core.status import PopulationPhase
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation
from simulation.pods import Durations, TrainerCrashed

FAST_AND_SLOW = [{"everyRounds": 1}, {"horizonPercent": 20}]
QUORUM_75 = {**DETERMINISTIC["schedule"], "quorumPercent": 75}


class DoomedFrom(Deterministic):
    """Some members crash from a step on, whatever they train with."""

    def __init__(self, members: set[int], step: int) -> None:
        self.members, self.step = members, step

    def fate(self, member: int, step: int) -> TrainerCrashed | None:
        """At the step that the member is to report next."""
        return TrainerCrashed("RuntimeError: doomed") if member in self.members and step > self.step else None


def audited(simulation: Simulation) -> Archive:
    told = read_archive(simulation.store)
    assert audit.violations(simulation.store, told) == []
    return told


def deciding(told: Archive, part: int) -> list[int]:
    """The rounds in which a part's losers were replaced."""
    return [decided.number for decided in told.rounds if decided.sub_populations[part].decides]


@pytest.fixture(scope="module")
def undisturbed() -> Archive:
    return audited(Simulation(spec(DETERMINISTIC, subPopulations=FAST_AND_SLOW), Deterministic()).run())


def test_each_part_decides_at_its_own_pace_and_members_migrate(undisturbed):
    assert deciding(undisturbed, 0) == [*range(1, 20)]
    assert deciding(undisturbed, 1) == [4, 8, 11, 13, 15, 16, 17, 18, 19]
    made = [decision for decided in undisturbed.rounds for decision in decided.decisions]
    assert {decision.migrated for decision in made} == {True, UNSET}
    assert {birth.sub_population == birth.member % 2 for birth in undisturbed.births.values()} == {True}
    parts = undisturbed.status().sub_populations
    assert [(part.pace, part.members) for part in parts] == [("everyRounds 1", 4), ("horizonPercent 20", 4)]


@pytest.mark.parametrize("seed", range(5))
def test_restarts_and_power_failures_change_no_decision(undisturbed, seed):
    chance = Random(seed)
    changes = {"parallelism": chance.choice([3, 8]), "restart": chance.choice(["Recreate", "InPlace"])}
    manifest = spec(DETERMINISTIC, subPopulations=FAST_AND_SLOW, **changes)
    simulation = Simulation(manifest, Deterministic(), durations=Durations(start=1.0, stop=1.0, poll=0.5))
    run_disturbed(simulation, chance)
    assert decisions(audited(simulation).rounds) == decisions(undisturbed.rounds)


def test_a_part_of_which_too_few_live_is_merged_and_the_rest_goes_on():
    doomed = DoomedFrom({0, 2}, step=50)
    manifest = spec(DETERMINISTIC, subPopulations=FAST_AND_SLOW, schedule=QUORUM_75, backoffLimit=0)
    told = audited(Simulation(manifest, doomed).run())
    assert told.status().phase is PopulationPhase.COMPLETE
    merges = [decided.number for decided in told.rounds if decided.sub_populations[0].into == 1]
    assert merges, "the fast part has two members left"
    assert merges[-1] == told.rounds[-1].number
    late = [decided for decided in told.rounds if decided.number > merges[0]]
    assert {entry.sub_population for decided in late for entry in decided.entries} == {1}
    assert {birth.sub_population for (member, _), birth in told.births.items() if member == 4} == {0}


def test_a_part_of_slow_trainers_is_waited_for_once_it_is_overdue():
    """Rounds in between are decided without it, and two more than it is due for: that is how far one may be ahead."""
    manifest = spec(
        DETERMINISTIC, subPopulations=[{"everyRounds": 1}, {"everyRounds": 5}], schedule=QUORUM_75
    )
    durations = Durations(step=lambda member: 1.0 if member % 2 == 0 else 1.9)
    told = audited(Simulation(manifest, Deterministic(), durations=durations).run())
    assert len(told.rounds) >= 15
    assert any({entry.sub_population for entry in decided.entries} == {0} for decided in told.rounds)
    assert deciding(told, 1) == [7, 12, 17], "due in the rounds 5, 10 and 15"


def test_newcomers_join_the_smallest_part():
    manifest = spec(DETERMINISTIC, subPopulations=FAST_AND_SLOW)
    simulation = Simulation(manifest, Deterministic())
    while not simulation.repository.history.decided >= 3:
        simulation.step()
    simulation.reconciler.spec = replace(simulation.reconciler.spec, members=11)
    simulation.run()
    told = read_archive(simulation.store)
    newcomers = [told.births[member, 1].sub_population for member in (8, 9, 10)]
    assert sorted(newcomers) in ([0, 0, 1], [0, 1, 1])
    assert newcomers[:2] == [0, 1]
