"""How populations end by wish and by deadline, and how they go on after an end, in virtual time."""

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.told import told
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Cause
from pbt_operator.cli.run_population import summary
from pbt_operator.control.ownership import Ownership
from pbt_operator.control.reconcile import Active
from pbt_operator.control.session import Session
from pbt_operator.control.taking import failed_result
from pbt_operator.core import births
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.population import to_core, to_wire, written_out
from pbt_operator.page import page
from pbt_operator.records import results, specs
from pbt_operator.records.archive import read_archive
from simulation import Simulation, TrainerCrashed
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

SECOND_A_STEP = Durations(step=lambda _member: 1.0)
LONGER = {**DETERMINISTIC["schedule"], "totalSteps": 400}


def simulate(**changes: Any) -> Simulation:
    return Simulation(spec(DETERMINISTIC, **changes), Deterministic(), durations=SECOND_A_STEP)


def until(simulation: Simulation, seconds: float) -> Simulation:
    while simulation.time.now < seconds:
        simulation.step()
    return simulation


def replace_spec(simulation: Simulation, **changes: Any) -> int:
    """As an operator does when the manifest changes; returns the number of the spec record."""
    manifest = spec(DETERMINISTIC, **changes)
    asked = to_wire(written_out(manifest))
    record = specs.accept(simulation.store, name="simulated", namespace="simulation", asked=lambda _: asked)
    simulation.reconciler.replace_spec(to_core(manifest), record.number)
    # What the trainers of pods to come are told.
    simulation.pods.spec = to_core(manifest)
    simulation.last = None  # no pass was made under it yet
    return record.number


def test_who_asks_to_finish_keeps_the_best():
    simulation = until(simulate(), 85)
    best = read_archive(simulation.store).best
    assert best is not None
    replace_spec(simulation, finish=True)
    found = told(simulation.run())
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.COMPLETE, "Finished")
    assert found.result.best is not None
    assert found.result.best.score >= best.score
    assert len(found.rounds) == 8
    assert simulation.pods.observe() == []


def test_what_is_finished_before_it_began_trains_nothing():
    simulation = simulate(finish=True).run()
    found = told(simulation)
    assert found.result is not None
    assert simulation.pods.num_started == 0
    assert found.result.best is None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.FAILED, "NoFiniteScore")
    assert "spec.finish" in found.result.message


class Nothing(Deterministic):
    """No score is finite."""

    def evaluate(self, state, hyperparameters, rng):
        return math.nan


def test_a_population_without_a_finite_score_failed_and_says_so_everywhere():
    simulation = Simulation(spec(DETERMINISTIC, members=3), Nothing()).run()
    found = told(simulation)
    assert found.result is not None
    assert found.result.best is None
    for status in (found.result, found.status()):
        assert (status.phase, status.reason) == (PopulationPhase.FAILED, "NoFiniteScore")
        assert status.message.startswith(
            "no report has a finite score, so there is no best checkpoint; all members"
        )
    (event,) = [event for event in simulation.events if event.reason == "NoFiniteScore"]
    assert event.warning
    assert event.message == found.result.message
    assert found.result.message in page(found)
    shown = summary(found.result, location="x")
    assert shown.startswith(f"Failed: NoFiniteScore, {found.result.message}")
    assert "the same command continues it" not in shown
    assert failed_result(simulation.store) is None  # it would only end again


def test_one_finite_score_is_enough_to_be_complete():
    class Once(Nothing):
        def evaluate(self, state, hyperparameters, rng):
            state["evaluated"] = state.get("evaluated", 0) + 1
            return 0.5 if state["evaluated"] == 1 else math.nan

    found = told(Simulation(spec(DETERMINISTIC, members=3), Once()).run())
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.COMPLETE, "AllStepsDone")


def test_a_suspension_starts_the_deadline_anew():
    simulation = until(simulate(activeDeadlineSeconds=100), 60)
    replace_spec(simulation, activeDeadlineSeconds=100, suspend=True)
    until(simulation, 500)
    assert not simulation.ended
    replace_spec(simulation, activeDeadlineSeconds=100)
    until(simulation, 590)
    assert not simulation.ended
    simulation.run(max_seconds=700)
    found = told(simulation)
    assert found.result is not None
    assert found.result.reason == "DeadlineExceeded"


def test_more_steps_go_on_after_the_end_with_the_same_decisions():
    simulation = simulate().run()
    first = told(simulation).result
    assert first is not None
    number = replace_spec(simulation, schedule=LONGER)
    assert number == 2
    found = told(simulation.run())
    assert found.result is not None
    assert (found.result.spec, found.result.reason) == (2, "AllStepsDone")
    assert {member.step for member in found.result.members} == {400}
    # Those of the step that was the last are decided without exploits: nobody is thrown back after the end.
    before = [decided for decided in found.rounds if decided.number < 20]
    straight = told(simulate(schedule=LONGER).run())
    assert before == [story_round for story_round in straight.rounds if story_round.number < 20]


def ended_by(simulation: Simulation) -> tuple[PopulationPhase, str]:
    result = told(simulation.run()).result
    assert result is not None
    return result.phase, result.reason


def test_the_last_lines_of_a_run_say_what_its_time_went_to():
    result = told(simulate(members=2).run()).result
    assert result is not None
    lines = summary(result, location="x").splitlines()
    assert "process time: 6 min 40 s: 100 % productive, 0 % discarded, 0 % waiting, 0 % starting" in lines


def steps_of(simulation: Simulation) -> int:
    steps = told(simulation).status().steps
    return steps.productive + steps.discarded


def test_a_limit_on_the_steps_of_all_members_ends_it_with_the_best():
    simulation = simulate(limits={"totalMemberSteps": 800})
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "LimitReached")
    found = told(simulation).result
    assert found is not None
    assert found.best is not None
    assert found.message.endswith("limits.totalMemberSteps is 800")
    assert 800 <= steps_of(simulation) <= 800 + 8 * 20


def test_steps_that_were_recorded_before_a_restart_count_too():
    simulation = until(simulate(limits={"totalMemberSteps": 800}), 75)
    assert 0 < steps_of(simulation) < 800
    simulation.operator_restarts()
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "LimitReached")
    assert steps_of(simulation) <= 800 + 8 * 20


def test_a_limit_on_active_seconds_ends_it_with_the_best_and_a_deadline_without():
    limited = simulate(limits={"activeSeconds": 100}, activeDeadlineSeconds=100)
    assert ended_by(limited) == (PopulationPhase.COMPLETE, "LimitReached")
    assert ended_by(simulate(activeDeadlineSeconds=100)) == (PopulationPhase.FAILED, "DeadlineExceeded")


def test_gpu_hours_are_those_that_records_tell_before_a_restart_too():
    template = deepcopy(DETERMINISTIC["template"])
    template["spec"]["containers"][0]["resources"] = {"limits": {"amd.com/gpu": 2}}
    hours = 2 * 8 * 100 / 3600  # until each of eight members has trained for 100 s
    simulation = until(simulate(limits={"gpuHours": hours}, template=template), 75)
    assert not simulation.ended
    simulation.operator_restarts()
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "LimitReached")
    records = [*(found := told(simulation)).reports.values(), *found.saves.values()]
    at_the_limit = sum(record.seconds for record in records) * 2 / 3600
    assert hours <= at_the_limit <= hours * 1.3
    assert 100 <= simulation.time.now <= 130


def test_what_does_not_get_better_ends_with_its_best():
    class Level(Deterministic):
        def evaluate(self, state, hyperparameters, rng):
            return min(1.0, state["w"] * 1e9)

    simulation = Simulation(spec(DETERMINISTIC, plateau={"rounds": 4}), Level(), durations=SECOND_A_STEP)
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "Plateau")
    bests = [decided.best.score for decided in told(simulation).rounds if decided.best is not None]
    assert bests[-5] == bests[-1]
    assert len(bests) == 5 or bests[-6] != bests[-2]


def test_a_plateau_is_seen_by_an_operator_that_was_restarted():
    class Flat(Deterministic):
        def evaluate(self, state, hyperparameters, rng):
            return 1.0

    simulation = Simulation(spec(DETERMINISTIC, plateau={"rounds": 9}), Flat(), durations=SECOND_A_STEP)
    until(simulation, 95)
    assert not simulation.ended
    simulation.operator_restarts()
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "Plateau")
    assert len(told(simulation).rounds) == 10


TOO_EARLY: list[dict[str, Any]] = [
    {"finish": True},
    {"activeDeadlineSeconds": 50},
    {"limits": {"activeSeconds": 50}},
    {"limits": {"totalMemberSteps": 300}},
    {"plateau": {"rounds": 1, "minGain": 1000}},
]


@pytest.mark.parametrize("changes", TOO_EARLY)
def test_what_ended_too_early_goes_on_when_the_reason_is_gone(changes):
    simulation = until(simulate(), 75)
    replace_spec(simulation, **changes)
    simulation.run()
    assert told(simulation).result is not None
    replace_spec(simulation)
    simulation.step()
    assert not simulation.ended
    found = told(simulation.run())
    assert found.result is not None
    assert found.result.reason == "AllStepsDone"
    assert found.result.spec == 3
    resumed = [birth for birth in found.births.values() if birth.cause is Cause.RESUME]
    assert resumed
    assert all(birth.start_step for birth in resumed)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_raised_limit_on_active_seconds_gives_what_it_was_raised_by_whenever_that_is(restarts):
    simulation = simulate(limits={"activeSeconds": 50}).run()
    ended_at = simulation.time.now
    until(simulation, 5000)
    if restarts:
        reopen(simulation, ended_at=ended_at)
    again = simulation.time.now
    replace_spec(simulation, limits={"activeSeconds": 100})
    assert ended_by(simulation) == (PopulationPhase.COMPLETE, "LimitReached")
    assert 45 <= simulation.time.now - again <= 65


def reopen(simulation: Simulation, *, ended_at: float) -> None:
    """As an operator does that starts, with the times of the status."""
    session = Session.open(
        simulation,
        simulation._manifest,
        ownership=Ownership(name="simulated", namespace="simulation"),
        emit=simulation.events.append,
        active=Active(0.0, ended_at),
    )
    simulation.repository, simulation.reconciler = session.repository, session.reconciler
    simulation.passes()


def test_a_restart_takes_the_end_up_and_writes_nothing():
    simulation = simulate(members=2).run()
    before = list(simulation.store.names(""))
    started = simulation.pods.num_started
    ended = results.newest_result(simulation.store)
    assert ended is not None
    simulation.operator_restarts()
    simulation.reconciler.take_up(ended)
    for _ in range(3):
        simulation.step()
    assert simulation.last is not None
    assert simulation.last.outcome is not None
    assert simulation.last.outcome.message == ended.message
    assert simulation.last.result == ended
    assert list(simulation.store.names("")) == before
    assert simulation.pods.num_started == started


class Deaf(MemoryStore):
    """The answer to the first write of a result is lost."""

    lost = False

    def create(self, key: str, data: bytes) -> bytes:
        stored = super().create(key, data)
        if key.startswith(keys.RESULTS) and not self.lost:
            self.lost = True
            raise StoreUnavailable("no answer")
        return stored


def test_nothing_is_decided_after_an_end_whose_answer_was_lost():
    store = Deaf()
    simulation = until(
        Simulation(spec(DETERMINISTIC), Deterministic(), durations=SECOND_A_STEP, store=store), 85
    )
    replace_spec(simulation, finish=True)
    with pytest.raises(StoreUnavailable):
        simulation.passes()
    assert all(pod.stopping or pod.ended for pod in simulation.pods.observe())  # before its record
    simulation.reconciler.spec = replace(
        simulation.reconciler.spec, finish=False
    )  # as a deadline's clock, say
    decided = [*store.names(keys.ROUNDS), *store.names(keys.BIRTHS)]
    simulation.run()
    assert [*store.names(keys.ROUNDS), *store.names(keys.BIRTHS)] == decided
    assert simulation.last is not None
    assert simulation.last.result == results.newest_result(store)


def test_births_that_another_operator_ordered_before_it_recorded_the_end_are_known():
    """Its location was adopted a moment ago, say: it let a member go on from a report before the best one."""
    ahead = Durations(step=lambda member: 1.0 if member == 0 else 1.2)
    simulation = until(Simulation(spec(DETERMINISTIC), Deterministic(), durations=ahead), 85)
    found = read_archive(simulation.store)
    assert found.best is not None
    assert (found.best.member, found.best.step, found.rounds[-1].step) == (0, 80, 70)
    closed = found.births[found.best.life]
    before = next(r for r in found.reports.values() if r.life == closed.life and r.step < 80)
    other = Simulation(spec(DETERMINISTIC), Deterministic(), store=simulation.store)
    other.repository.write_births([births.resumed(closed, before, reason="its pod was taken for lost")])
    replace_spec(other, finish=True)
    other.passes()
    simulation.reconciler.replace_spec(other.reconciler.spec, other.reconciler.spec_number)
    simulation.run()
    assert simulation.last is not None
    assert simulation.last.result == results.newest_result(simulation.store)
    counts = read_archive(simulation.store).best
    assert simulation.repository.history.best(simulation.spec.objective) == counts != found.best


def test_a_process_that_crashes_after_the_end_has_no_consequence():
    slow = Durations(step=lambda _member: 1.0, stop=30.0)
    simulation = until(Simulation(spec(DETERMINISTIC), Deterministic(), durations=slow), 85)
    replace_spec(simulation, finish=True)
    simulation.passes()
    born = list(simulation.store.names(keys.BIRTHS))
    for trainer in simulation.pods._trainers.values():
        trainer.pod = replace(trainer.pod, stopping=False)  # it crashed before it was asked to stop
        trainer.kill()
    simulation.run()
    assert list(simulation.store.names(keys.BIRTHS)) == born


def test_nothing_ripens_after_an_end_or_in_a_suspension():
    """Or else `pbt run` would make pass after pass while trainers end."""
    slow = Durations(step=lambda member: 1.0 if member else 3.0, stop=30.0)
    for change in ({"finish": True}, {"suspend": True}):
        schedule = {**DETERMINISTIC["schedule"], "quorumPercent": 75}
        simulation = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic(), durations=slow)
        while simulation.passes().ripe_in is None:
            assert simulation.time.now < 100
            simulation.step()
        replace_spec(simulation, **change)
        assert simulation.passes().ripe_in is None
        assert simulation.passes().ripe_in is None


def test_who_tries_again_after_a_restart_goes_on_from_the_save_that_its_last_life_began_with():
    class FailsLater(Deterministic):
        fails = False

        def fate(self, member, step):
            return TrainerCrashed("RuntimeError: out of luck") if member == 0 and self.fails else None

    task, changes = FailsLater(), {"members": 2, "exploit": {"none": {}}, "backoffLimit": 0}
    manifest = spec(DETERMINISTIC, **changes, maxFailedMembers=0)
    simulation = until(Simulation(manifest, task, durations=SECOND_A_STEP), 44)
    active = simulation.reconciler.spec
    simulation.reconciler.spec = replace(active, suspend=True)
    while simulation.pods.observe():
        simulation.step()
    saved = simulation.repository.history.position(0)
    assert saved % 10, "it has saved between two reports"
    task.fails, simulation.reconciler.spec = True, active
    assert told(simulation.run()).result is not None
    task.fails = False
    simulation.operator_restarts()
    number = replace_spec(simulation, **changes, maxFailedMembers=1)
    simulation.reconciler.take_up(results.newest_result(simulation.store))
    simulation.run()
    found = told(simulation)
    again = next(birth for (m, _), birth in found.births.items() if m == 0 and birth.cause is Cause.SCALE)
    assert (number, again.start_step) == (2, saved)
