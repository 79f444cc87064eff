"""With quorum 100 and a deterministic trainer the seed alone decides: not parallelism, not restarts, not kills."""

from random import Random

import pytest

from fixtures.disturbed import run_disturbed
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.core.round_record import Round
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations

Decided = list[tuple[int, int, object, int, tuple[tuple[str, object], ...]]]


def decisions(rounds: list[Round]) -> Decided:
    """Round, member, donor, start step and hyperparameters of every decision."""
    return [
        (
            decided.number,
            d.member,
            d.source.member if d.source else None,
            d.source.step if d.source else 0,
            tuple(sorted(d.hyperparameters.items())),
        )
        for decided in rounds
        for d in decided.decisions
    ]


def outcome(simulation: Simulation) -> Decided:
    told = read_archive(simulation.store)
    assert audit.violations(simulation.store, told) == []
    return decisions(told.rounds)


@pytest.fixture(scope="module")
def undisturbed() -> Decided:
    found = outcome(Simulation(spec(DETERMINISTIC), Deterministic()).run())
    assert len(found) > 20
    return found


def test_another_seed_decides_otherwise(undisturbed):
    assert outcome(Simulation(spec(DETERMINISTIC, seed=4), Deterministic()).run()) != undisturbed


@pytest.mark.parametrize("parallelism", [1, 2, 3, 7])
def test_parallelism_changes_nothing(undisturbed, parallelism):
    assert (
        outcome(Simulation(spec(DETERMINISTIC, parallelism=parallelism), Deterministic()).run())
        == undisturbed
    )


@pytest.mark.parametrize("restart", ["Recreate", "InPlace"])
def test_the_way_of_restarting_changes_nothing(undisturbed, restart):
    simulation = Simulation(
        spec(DETERMINISTIC, restart=restart),
        Deterministic(),
        durations=Durations(start=3.0, stop=2.0, poll=0.5),
    ).run()
    assert outcome(simulation) == undisturbed


def test_in_place_needs_fewer_pods_than_births():
    simulation = Simulation(
        spec(DETERMINISTIC, restart="InPlace"), Deterministic(), durations=Durations(poll=0.5)
    )
    simulation.run()
    assert simulation.pods.num_started < len(read_archive(simulation.store).births)


def test_members_of_different_speed_change_nothing(undisturbed):
    durations = Durations(step=lambda member: 1.0 + member / 3)
    assert outcome(Simulation(spec(DETERMINISTIC), Deterministic(), durations=durations).run()) == undisturbed


@pytest.mark.parametrize("seed", range(20))
def test_restarts_and_power_failures_at_random_moments_change_nothing(undisturbed, seed):
    chance = Random(seed)
    simulation = Simulation(
        spec(
            DETERMINISTIC,
            parallelism=chance.choice([2, 5, 8]),
            restart=chance.choice(["Recreate", "InPlace"]),
        ),
        Deterministic(),
        durations=Durations(start=1.0, stop=1.0, poll=0.5),
    )
    run_disturbed(simulation, chance)
    assert outcome(simulation) == undisturbed
