"""A process that doesn't take its next birth over in place makes room for a pod that does."""

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations


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
