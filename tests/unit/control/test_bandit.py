"""A population whose explore learns from the rounds before: decided by the real passes, replayed, and audited."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from msgspec import UNSET

from fixtures.disturbed import run_disturbed
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.records import Cause
from pbt_operator.core.round_record import Round
from pbt_operator.manifest.population import to_core, to_wire, written_out
from pbt_operator.records import audit, specs
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation, TrainerCrashed
from simulation.pods import Durations

BANDIT = {**DETERMINISTIC, "explore": {"bandit": {}}}


class Crashing(Deterministic):
    """Crashes at once in a part of the space."""

    def train(self, state: Any, hyperparameters: Mapping[str, Any], step: int, rng: Random) -> None:
        if hyperparameters["depth"] > 6:
            raise TrainerCrashed("too deep")
        super().train(state, hyperparameters, step, rng)


def told(simulation: Simulation) -> Archive:
    found = read_archive(simulation.store)
    assert audit.violations(simulation.store, found) == []
    return found


def choices(rounds: list[Round]) -> list[tuple[int, int, Mapping[str, object]]]:
    return [(one.number, d.member, d.hyperparameters) for one in rounds for d in one.decisions]


@pytest.fixture(scope="module")
def undisturbed() -> list[Round]:
    return told(Simulation(spec(BANDIT), Deterministic()).run()).rounds


def test_it_chooses_in_a_population(undisturbed: list[Round]) -> None:
    operations = [set(d.operations.values()) for one in undisturbed for d in one.decisions]
    assert {"chosen"} in operations
    assert undisturbed[17].recorded.earlier == list(range(2, 18))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_restarts_and_power_failures_at_random_moments_change_no_choice(
    undisturbed: list[Round], seed: int
) -> None:
    chance = Random(seed)
    simulation = Simulation(
        spec(BANDIT, restart=["Recreate", "InPlace", "Recreate"][seed], parallelism=[8, 5, 2][seed]),
        Deterministic(),
        durations=Durations(start=1.0, stop=1.0, poll=0.5),
    )
    run_disturbed(simulation, chance)
    assert choices(told(simulation).rounds) == choices(undisturbed)


def test_what_crashed_is_told_to_it() -> None:
    rounds = told(Simulation(spec(BANDIT), Crashing()).run()).rounds
    crashed = rounds[0].crashed
    assert crashed is not UNSET
    assert {crash.hyperparameters["depth"] for crash in crashed} <= {7, 8}
    blamed = sum(crash.blamed for crash in crashed)
    assert blamed > 0
    assert rounds[3].recorded.explore[0].inputs["gains"] == 3 * 8 + blamed


def test_it_can_be_asked_for_in_mid_run_and_chooses_for_newcomers_too() -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while simulation.repository.history.decided < 12:
        simulation.step()
    manifest = spec(BANDIT, members=12)
    asked = to_wire(written_out(manifest))
    record = specs.accept(simulation.store, name="simulated", namespace="simulation", asked=lambda _: asked)
    simulation.reconciler.replace_spec(to_core(manifest), record.number)
    simulation.pods.spec = to_core(manifest)  # what the trainers of pods to come are told
    archive = told(simulation.run())
    newcomers = [archive.births[member, 1] for member in range(8, 12)]
    assert {birth.cause for birth in newcomers} == {Cause.SCALE}
    for birth in newcomers:
        assert set(birth.operations.values()) == {"chosen"}
        assert birth.reason.endswith(" nats from 88 gains)")
