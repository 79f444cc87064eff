"""A process that doesn't take its next birth over in place makes room for a pod that does."""

from dataclasses import replace

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations, SimulatedTrainer


def run(*, poll: float) -> Simulation:
    manifest = spec(DETERMINISTIC, members=4, restart="InPlace")
    return Simulation(manifest, Deterministic(), durations=Durations(step=lambda _: 10.0, poll=poll)).run()


def test_who_never_looks_for_its_next_birth_gets_a_new_pod_and_nothing_else_changes():
    deaf, quick = run(poll=1e9), run(poll=1.0)
    late = [event.member for event in deaf.events if event.reason == "TakeoverLate"]
    told = read_archive(deaf.store)
    assert audit.violations(deaf.store, told) == []
    assert late
    assert not [event for event in quick.events if event.reason == "TakeoverLate"]
    assert decisions(told.rounds) == decisions(read_archive(quick.store).rounds)


def test_a_pod_that_is_preempted_before_it_takes_its_next_birth_is_told_of():
    """The life that it lived is over: no record names its end, so the Event is all that tells of it."""
    manifest = spec(DETERMINISTIC, members=4, restart="InPlace")
    simulation = Simulation(manifest, Deterministic(), durations=Durations(step=lambda _: 10.0, poll=1e9))

    def passed_over() -> list[SimulatedTrainer]:
        newest = simulation.repository.history.newest_birth
        trainers = [trainer for trainer in simulation.pods._trainers.values() if not trainer.pod.ended]
        return [t for t in trainers if newest(t.pod.member).incarnation > t.pod.incarnation]

    while not (found := passed_over()):
        simulation.step()
    trainer = found[0]
    lost = trainer.pod = replace(trainer.pod, disrupted=True, message="Preempted")
    trainer.terminate()
    while not simulation.ended:
        simulation.step()
    (told,) = (event for event in simulation.events if event.reason == "Disrupted")
    assert told.member == lost.member
    assert "(Preempted)" in told.message
    assert "gets a new pod" in told.message
