"""A process that doesn't take its next birth over in place makes room for a pod that does."""

from dataclasses import replace

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.tenancy import Tenant
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


@pytest.mark.parametrize("what", ["takeover", "yield_"])
def test_each_birth_and_each_request_has_time_of_its_own(what):
    """A process that takes up one after the other in time need never be seen at home by a pass."""
    run = Simulation(spec(DETERMINISTIC, members=4, restart="InPlace"), Deterministic())
    pod, found = replace(Pod.pending(birth(1), uid="pod-1"), phase=Phase.RUNNING), []
    for number, now in ((2, 0.0), (2, 50.0), (3, 70.0), (3, 100.0)):
        swaps = Tenant(pod, birth(number), has_claimed=False, heir=None)
        yields = Tenant(pod, birth(1), has_claimed=True, heir=Life(1, number))
        tenant = swaps if what == "takeover" else yields
        found.append(getattr(run.reconciler._placement._time(tenant, run.reconciler.spec, now), what))
    assert found == [0.0, 50.0, 0.0, 30.0]


def test_a_pod_that_is_slow_to_start_has_its_time_to_take_over_once_it_has_begun():
    """Its image, its container and its claim may each take longer than a swap: only then its process looks."""
    run = Simulation(spec(DETERMINISTIC, members=4, restart="InPlace"), Deterministic())
    run.pods.places = 3
    run.passes()
    (trainer,) = (one for one in run.pods._trainers.values() if one.placed_at is None)
    following, found = birth(2, member=trainer.member), list[float]()

    def wait(phase: Phase, now: float) -> None:
        run.repository.claims.begin_pass()
        tenant = Tenant(replace(trainer.pod, phase=phase), following, has_claimed=False, heir=None)
        found.append(run.reconciler._placement._time(tenant, run.spec, now).takeover)

    for phase, now in ((Phase.PENDING, 0.0), (Phase.PENDING, 900.0), (Phase.RUNNING, 900.0)):
        wait(phase, now)
    wait(Phase.RUNNING, 950.0)
    trainer.life.open()
    assert trainer.life.claim()
    for now in (955.0, 1000.0):
        wait(Phase.RUNNING, now)
    assert found == [0.0, 0.0, 0.0, 50.0, 0.0, 45.0]


def birth(incarnation: int, *, member: int = 0) -> Birth:
    cause = Cause.INITIAL if incarnation == 1 else Cause.EXPLOIT
    return Birth(member=member, incarnation=incarnation, cause=cause, hyperparameters={}, reason="r")
