"""Fewer slots than members, in place: processes go on as the members that wait, and nothing else changes."""

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations, SimulatedTrainer

MEMBERS, SLOTS = 4, 2


def simulation(restart: str, *, parallelism: int = SLOTS, poll: float = 1.0) -> Simulation:
    manifest = spec(DETERMINISTIC, members=MEMBERS, parallelism=parallelism, restart=restart)
    return Simulation(manifest, Deterministic(), durations=Durations(step=lambda _: 10.0, poll=poll))


def yields(run: Simulation) -> list[str]:
    return list(run.store.names(keys.YIELDS))


@pytest.mark.parametrize("parallelism", [1, 2, 3])
def test_decisions_are_the_same_with_fewer_pods_than_births(parallelism):
    in_place = simulation("InPlace", parallelism=parallelism).run()
    recreated = simulation("Recreate", parallelism=parallelism).run()
    told = read_archive(in_place.store)
    assert audit.violations(in_place.store, told) == []
    assert decisions(told.rounds) == decisions(read_archive(recreated.store).rounds)
    assert yields(in_place)
    assert not yields(recreated)
    assert in_place.pods.num_started < len(told.births) / 2
    assert not [event for event in in_place.events if event.reason == "TakeoverLate"]


def test_never_more_pods_than_slots_and_one_for_a_member():
    run = simulation("InPlace")
    while not run.ended:
        run.step()
        live = [pod for pod in run.pods.observe() if not pod.ended]
        assert len(live) <= SLOTS
        assert len({pod.member for pod in live}) == len(live)


def test_labels_follow_whose_life_a_process_lives():
    run = simulation("InPlace")
    followed = 0
    while not run.ended:
        run.step()
        run.reconciler.run_once()
        for trainer in run.pods._trainers.values():
            if not trainer.pod.ended and trainer.life.holder is not None:
                assert trainer.pod.member == trainer.member
                followed += trainer.pod.name != keys.life(trainer.member, trainer.life.number)
    assert followed


def test_a_process_that_never_looks_is_stopped_in_time_and_nothing_else_changes():
    deaf, quick = simulation("InPlace", poll=1e9).run(), simulation("InPlace").run()
    told = read_archive(deaf.store)
    assert audit.violations(deaf.store, told) == []
    assert [event for event in deaf.events if event.reason == "TakeoverLate"]
    assert decisions(told.rounds) == decisions(read_archive(quick.store).rounds)


def test_ranks_that_cannot_go_on_as_another_member_are_stopped_at_once(monkeypatch):
    """Their claim says how many they are."""
    monkeypatch.setattr(SimulatedTrainer, "ranks", 2)
    ranks, recreated = simulation("InPlace").run(), simulation("Recreate").run()
    told = read_archive(ranks.store)
    assert audit.violations(ranks.store, told) == []
    assert not yields(ranks)
    assert [event.reason for event in ranks.events if event.reason in {"Yielded", "TakeoverLate"}] == [
        event.reason for event in recreated.events if event.reason == "Yielded"
    ]
    assert decisions(told.rounds) == decisions(read_archive(recreated.store).rounds)


@pytest.mark.parametrize("passes", [1, 2, 3, 7])
@pytest.mark.slow
def test_an_operator_that_begins_anew_knows_who_lives_where(passes):
    """Also one whose predecessor asked a process to yield and saw nothing of its answer."""
    run, done = simulation("InPlace"), 0
    while not run.ended:
        if done % passes == 0:
            run.operator_restarts()
        run.step()
        done += 1
    told = read_archive(run.store)
    assert audit.violations(run.store, told) == []
    assert decisions(told.rounds) == decisions(read_archive(simulation("InPlace").run().store).rounds)
    assert run.pods.num_started < len(told.births) / 2


def test_a_second_operator_that_saw_no_yield_starts_nobody_who_lives_under_another_label():
    run = simulation("InPlace")
    other = simulation("InPlace")
    other.store, other.pods, other.time = run.store, run.pods, run.time
    other.operator_restarts()
    while not run.ended:
        run.step()
        other.reconciler.run_once()
        live = [t for t in run.pods._trainers.values() if not t.pod.ended]
        assert len({t.member for t in live}) == len(live)
    assert audit.violations(run.store, read_archive(run.store)) == []


def test_a_request_that_nobody_took_up_in_time_leaves_the_birth_to_the_next_slot():
    """The process ends before it has gone on as the member that waits."""
    run = simulation("InPlace", poll=1e9)
    while not yields(run):
        run.step()
    member, incarnation = keys.life_in(yields(run)[0])
    run.pods._trainers[keys.life(member, incarnation)].kill()
    run.run()
    told = read_archive(run.store)
    assert audit.violations(run.store, told) == []
    assert told.births[member, incarnation + 1].cause.resumes
