"""A soak can be repeated: what is drawn follows from the seed alone."""

from itertools import islice

from fixtures.manifests import TEMPLATE
from pbt_operator.manifest.population import PopulationSpec
from soak.plan import LASTING, PAUSES, Kind, Steering, faults, wishes


def test_the_same_seed_draws_the_same_faults_and_another_one_others() -> None:
    first = list(islice(faults(7), 200))
    assert list(islice(faults(7), 200)) == first
    assert list(islice(faults(8), 200)) != first


def test_every_kind_of_fault_comes_and_those_that_last_have_an_end() -> None:
    drawn = list(islice(faults(7), 400))
    assert {fault.kind for fault in drawn} == set(Kind)
    for fault in drawn:
        assert PAUSES[0] <= fault.pause <= PAUSES[1]
        assert (fault.seconds > 0) is (fault.kind in LASTING)
        assert 0 <= fault.pick < 1


def test_the_same_seed_wishes_for_the_same_populations_and_other_slots_for_others() -> None:
    first = list(islice(wishes(7, 1), 50))
    assert list(islice(wishes(7, 1), 50)) == first
    assert list(islice(wishes(7, 2), 50)) != first


def test_populations_of_all_kinds_are_wished_for_and_none_is_wrong() -> None:
    drawn = list(islice(wishes(7, 1), 200))
    assert {wish.steering for wish in drawn} == set(Steering)
    specs = [PopulationSpec.model_validate({**wish.spec, "template": TEMPLATE}) for wish in drawn]
    assert {spec.restart for spec in specs} == {"InPlace", "Recreate"}
    assert {spec.schedule.quorum_percent for spec in specs} == {75, 100}
    assert {wish.spec["parallelism"] < wish.spec["members"] for wish in drawn} == {True, False}
