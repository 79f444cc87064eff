"""A process that doesn't take its next birth over in place makes room for a pod that does."""

from decided import decisions
from manifests import DETERMINISTIC, spec
from pbt_operator import audit, story
from pbt_operator.simulation import Simulation
from pbt_operator.simulation.pods import Durations
from tasks import Deterministic


def run(*, poll: float) -> Simulation:
    manifest = spec(DETERMINISTIC, members=4, restart="InPlace")
    return Simulation(manifest, Deterministic(), durations=Durations(step=lambda _: 10.0, poll=poll)).run()


def test_who_never_looks_for_its_next_birth_gets_a_new_pod_and_nothing_else_changes():
    deaf, quick = run(poll=1e9), run(poll=1.0)
    late = [event.member for event in deaf.events if event.reason == "TakeoverLate"]
    told = story.read(deaf.store)
    assert audit.violations(deaf.store, told) == []
    assert late
    assert not [event for event in quick.events if event.reason == "TakeoverLate"]
    assert decisions(told.rounds) == decisions(story.read(quick.store).rounds)
