"""Starts that nobody is to blame for are slowed down where they follow one another."""

from dataclasses import replace
from itertools import pairwise

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.control.brake import APART_SECONDS, Brake
from simulation import Simulation
from simulation.pods import Durations


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_one_in_a_row_waits_longer_up_to_a_minute():
    time = Time()
    brake = Brake(time)
    waited = []
    for _ in range(10):
        waited.append(brake.pause(1).seconds)
        time.now += waited[-1] + 1
    assert waited == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert brake.pause(2).seconds == 0, "another member"


def test_a_record_or_a_long_time_begins_again():
    time = Time()
    brake = Brake(time)
    for _ in range(4):
        brake.pause(1)
    brake.release(1)
    assert brake.pause(1).ends == 1
    for _ in range(4):
        brake.pause(1)
    time.now += APART_SECONDS + 100
    assert brake.pause(1).ends == 1


def test_a_loop_of_evictions_is_slowed_down_and_told():
    """Pods that somebody deletes as they start: an admission webhook, say."""
    simulation = Simulation(
        spec(DETERMINISTIC, members=2), Deterministic(), durations=Durations(start=1.0), tick_seconds=0.5
    )
    started: list[float] = []
    start = simulation.pods.start

    def evicted(birth):
        start(birth)
        if birth.member == 0:
            started.append(simulation.time.now)
            for trainer in simulation.pods._trainers.values():
                if trainer.pod.member == 0 and not trainer.pod.ended:
                    simulation.time.after(0.2, trainer.terminate)

    simulation.pods.start = evicted
    while simulation.time.now < 200:
        simulation.step()
    assert 6 <= len(started) <= 10
    gaps = [later - earlier for earlier, later in pairwise(started)]
    assert gaps[0] < 2
    assert gaps[-1] > 30
    assert "waits" in next(event.message for event in simulation.events if event.reason == "StartSlowed")


def test_who_is_stopped_by_the_operator_before_its_first_record_does_not_wait():
    """Suspended again and again, each time before anybody has recorded anything."""
    simulation = Simulation(spec(DETERMINISTIC, members=2), Deterministic(), durations=Durations(start=1.0))
    active = simulation.reconciler.spec
    for _ in range(5):
        simulation.step()
        simulation.reconciler.spec = replace(active, suspend=True)
        while simulation.pods.observe():
            simulation.step()
        simulation.reconciler.spec = active
    simulation.step()
    assert len(simulation.pods.observe()) == 2
    assert "StartSlowed" not in {event.reason for event in simulation.events}
