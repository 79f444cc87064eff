"""What people and manifests steer: suspension, scaling, slots, the values at the start, a target and a deadline."""

from dataclasses import replace

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.scaled import scale
from fixtures.told import causes, reasons, told
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.records import Cause
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.manifest.population import to_core
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations

NONE = {"none": {}}


def test_a_deadline_ends_the_population():
    found = told(Simulation(spec(DETERMINISTIC, activeDeadlineSeconds=30), Deterministic()).run())
    assert found.result is not None
    assert found.result.reason == "DeadlineExceeded"
    assert found.best is not None


def test_suspending_saves_and_resuming_trains_no_step_twice():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic(), durations=Durations(step=lambda _: 1.0))
    while simulation.time.now < 44:
        simulation.step()
    active = simulation.reconciler.spec
    simulation.reconciler.spec = replace(active, suspend=True)
    while simulation.pods.observe():
        simulation.step()
    rounds = len(read_archive(simulation.store).rounds)
    before = {member: simulation.repository.history.position(member) for member in range(8)}
    for _ in range(10):
        simulation.step()
    assert len(read_archive(simulation.store).rounds) == rounds
    simulation.reconciler.spec = active
    found = told(simulation.run())
    resumed = [birth for birth in found.births.values() if birth.cause is Cause.RESUME]
    assert len(resumed) == 8
    assert all(birth.start_step == before[birth.member] for birth in resumed)
    assert max(birth.start_step % 10 for birth in resumed) > 0


def test_scaling_up_and_down_keeps_the_best():
    simulation = Simulation(spec(DETERMINISTIC, members=4), Deterministic())

    def until(seconds: float) -> None:
        while simulation.time.now < seconds:
            simulation.step()

    until(55)
    scale(simulation, DETERMINISTIC, 8)
    until(105)
    grown = read_archive(simulation.store)
    assert {causes(grown, member)[0] for member in range(4, 8)} == {Cause.SCALE}
    assert all(grown.births[member, 1].source is not None for member in range(4, 8))
    best = grown.best
    scale(simulation, DETERMINISTIC, 6)
    found = told(simulation.run())
    assert {member.state for member in found.status().members[6:]} == {MemberState.REMOVED}
    assert found.best is not None
    assert best is not None
    assert found.best.score >= best.score
    assert found.status().phase is PopulationPhase.COMPLETE


def test_a_start_that_was_interrupted_still_gives_every_member_its_initial_values():
    base = {**DETERMINISTIC, "initial": [{"rate": 0.001}, {"rate": 0.002}, {"rate": 0.003}, {"rate": 0.004}]}
    simulation = Simulation(spec(base, members=4), Deterministic())
    create = simulation.store.create

    def dies_at_the_third(key, data):
        if key == keys.birth(2, 1):
            raise KeyboardInterrupt
        return create(key, data)

    simulation.store.create = dies_at_the_third
    with pytest.raises(KeyboardInterrupt):
        simulation.step()
    simulation.store.create = create
    simulation.operator_restarts()
    found = told(simulation.run())
    first = [found.births[member, 1] for member in range(4)]
    assert [birth.hyperparameters["rate"] for birth in first] == [0.001, 0.002, 0.003, 0.004]
    assert {birth.cause for birth in first} == {Cause.INITIAL}


def test_an_interrupted_rescue_is_not_done_twice():
    base = {**DETERMINISTIC, "initial": [{"rate": 0.001}, {"rate": 0.002}, {"rate": 0.003}, {"rate": 0.09}]}
    simulation = Simulation(spec(base, members=4, exploit=NONE), Deterministic())
    while simulation.time.now < 55:
        simulation.step()
    smaller = replace(simulation.reconciler.spec, members=3)
    write = simulation.repository.write_births

    def dies_at_the_close(births):
        if any(birth.cause is Cause.REMOVED for birth in births):
            raise KeyboardInterrupt
        return write(births)

    simulation.reconciler.spec = smaller
    simulation.repository.write_births = dies_at_the_close
    with pytest.raises(KeyboardInterrupt):
        simulation.step()
    simulation.operator_restarts()
    simulation.reconciler.spec = smaller
    found = told(simulation.run())
    assert sum(birth.cause is Cause.SCALE for birth in found.births.values()) == 1


def test_a_leaving_best_member_is_rescued():
    base = {**DETERMINISTIC, "initial": [{"rate": 0.001}, {"rate": 0.002}, {"rate": 0.003}, {"rate": 0.09}]}
    simulation = Simulation(spec(base, members=4, exploit=NONE), Deterministic())
    while simulation.time.now < 55:
        simulation.step()
    simulation.reconciler.spec = replace(simulation.reconciler.spec, members=3)
    found = told(simulation.run())
    assert causes(found, 0) == [Cause.INITIAL, Cause.SCALE]
    assert found.births[0, 2].hyperparameters["rate"] == 0.09


def test_never_more_pods_than_slots_and_one_for_each_member():
    manifest = spec(DETERMINISTIC, parallelism=3)
    simulation = Simulation(manifest, Deterministic(), durations=Durations(start=1, stop=2))
    while not simulation.ended:
        simulation.step()
        live = [pod.member for pod in simulation.pods.observe() if not pod.ended]
        assert len(live) <= to_core(manifest).slots
        assert len(live) == len(set(live))
    assert reasons(simulation)["Yielded"] > 0


def test_the_target_needs_two_reports_in_a_row_or_several_evaluations():
    class Lucky(Deterministic):
        def evaluate(self, state, hyperparameters, rng):
            return 10.0 if round(state["steps"]) == 50 else 0.5

        def build(self, hyperparameters, rng):
            return {"w": 0.0, "steps": 0}

        def train(self, state, hyperparameters, step, rng):
            state["steps"] = step

    class Episodes(Lucky):
        def evaluate(self, state, hyperparameters, rng):
            return [super().evaluate(state, hyperparameters, rng)] * 3

    manifest = spec(DETERMINISTIC, objective={"metric": "score", "goal": "Maximize", "target": 5})
    once, list_ = told(Simulation(manifest, Lucky()).run()), told(Simulation(manifest, Episodes()).run())
    assert once.result is not None
    assert list_.result is not None
    assert once.result.reason == "AllStepsDone"
    assert (list_.result.reason, list_.result.best and list_.result.best.step) == ("TargetReached", 50)
