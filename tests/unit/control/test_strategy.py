"""The strategy of a population, from its first pass to its last: chosen once, recorded, kept."""

from dataclasses import replace

import pytest
from msgspec import structs

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_operator.control.ownership import AnotherExperiment, Ownership
from pbt_operator.control.session import Session, earlier_result
from pbt_operator.core.auto import AutoRules
from pbt_operator.core.rules import Perturb, Truncation
from pbt_operator.core.spec import Exploit
from pbt_operator.manifest import settled_spec
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.records import audit, specs
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.memory_store import MemoryStore

SHORT = {**DETERMINISTIC["schedule"], "totalSteps": 60}
OWNER = Ownership(name="digits", namespace="team", uid="uid-1")
ADOPTER = Ownership(name="adopter", namespace="team", uid="uid-2", adopts=True)
NONE = {"none": {}}


@pytest.fixture(autouse=True)
def _a_choice_that_differs_with_what_may_change(monkeypatch):
    """So that whoever chooses again, chooses something else."""

    def chosen(begun):
        percent = begun.members + begun.schedule.last_round
        return AutoRules(
            Exploit(Truncation(percent=percent), horizon_percent=20), Perturb(reachPercent=percent)
        )

    monkeypatch.setattr(settled_spec, "auto_rules", chosen)


def asked(**changes):
    return spec({**DETERMINISTIC, "strategy": None}, **{"schedule": SHORT, **changes})


def opened(place, ownership=OWNER, **changes):
    return Session.open(place, asked(**changes), ownership=ownership, emit=place.events.append)


@pytest.fixture
def place():
    """A population that began with Auto, and so far has trained nothing."""
    return Simulation(asked(), Deterministic())


def rules_of(record):
    """What Auto chose, as it is recorded."""
    exploit, explore = record.spec["exploit"], record.spec["explore"]
    return record.spec["strategy"], exploit["truncation"], exploit["horizonPercent"], explore


CHOSEN = ("Auto", {"percent": 14}, 20, {"reachPercent": 14, "resamplePercent": 25})


def test_what_was_chosen_is_in_the_first_record_and_in_force(place):
    assert rules_of(specs.newest(place.store)) == CHOSEN
    assert opened(place).reconciler.spec.exploit.rule == Truncation(percent=14)


def test_a_restart_records_nothing(place):
    for _ in range(3):
        place.step()
        place.operator_restarts()
        opened(place)
    assert list(place.store.names(keys.SPECS)) == [keys.spec(1)]


@pytest.mark.parametrize("replaced", [False, True], ids=["opened", "replaced"])
def test_what_changes_later_chooses_nothing_again(place, replaced):
    """Scaled, prolonged, with another gap: by an operator that runs, and by one that starts."""
    changes = [
        {"members": 12},
        {"members": 12, "schedule": {**SHORT, "totalSteps": 80}},
        {"members": 12, "schedule": {**SHORT, "totalSteps": 80}, "exploit": {"minGap": 0.5}},
        {"members": 3, "exploit": {"copy": "Weights"}, "schedule": {**SHORT, "totalSteps": 80}},
    ]
    session = opened(place)
    for number, change in enumerate(changes, start=2):
        if replaced:
            session.replace_spec(asked(**change))
        else:
            session = opened(place, **change)
        record = specs.newest(place.store)
        assert (record.number, rules_of(record)) == (number, CHOSEN)
        inside = session.reconciler.spec
        assert inside.exploit.rule == Truncation(percent=14)
        assert inside.exploit.min_gap == change.get("exploit", {}).get("minGap", 0)
        assert inside.exploit.copy == change.get("exploit", {}).get("copy", "Both")


def test_an_adopter_goes_on_with_what_was_chosen(place):
    opened(place)
    session = opened(place, ADOPTER, members=5, storage={"prefix": "elsewhere"})
    record = specs.newest(place.store)
    assert record.spec["members"] == 5
    assert rules_of(record) == CHOSEN
    assert session.reconciler.spec.explore == Perturb(reachPercent=14, resamplePercent=25)


@pytest.mark.parametrize("wrong", [{"strategy": "Explicit"}, {"exploit": NONE}, {"explore": {}}])
def test_who_asks_for_something_else_is_refused_and_takes_nothing(place, wrong):
    opened(place)
    before = list(place.store.names(""))
    with pytest.raises((AnotherExperiment, ManifestError)) as refused:
        opened(place, ADOPTER, **wrong)
    assert "spec.strategy" in str(refused.value) or "spec.expl" in str(refused.value)
    assert list(place.store.names("")) == before
    with pytest.raises((AnotherExperiment, ManifestError)):
        opened(place).replace_spec(asked(**wrong))
    assert list(place.store.names("")) == before


def test_auto_is_refused_where_a_population_is_explicit():
    place = Simulation(asked(strategy="Explicit", exploit=NONE), Deterministic())
    with pytest.raises(AnotherExperiment) as refused:
        opened(place, strategy="Auto")
    assert refused.value.changed == ["spec.strategy"]
    assert opened(place, exploit=NONE).reconciler.spec.strategy == "Explicit"  # where it isn't said


def test_a_population_that_ended_stays_so_and_is_replayed(place):
    place.run()
    told = read_archive(place.store)
    assert audit.violations(place.store, told) == []
    assert any(decided.decisions for decided in told.rounds)
    ended = earlier_result(place.store, asked())
    assert ended is not None
    assert earlier_result(place.store, asked(strategy="Auto")) == ended
    assert earlier_result(place.store, asked(strategy="Explicit")) is None
    assert earlier_result(place.store, asked(members=9)) is None
    with pytest.raises(ManifestError):
        earlier_result(place.store, asked(exploit=NONE))


def test_a_population_that_is_scaled_and_prolonged_is_replayed(place):
    for _ in range(6):
        place.step()
    scaled = Simulation(
        asked(members=12, schedule={**SHORT, "totalSteps": 100}), Deterministic(), store=place.store
    )
    scaled.run()
    told = read_archive(scaled.store)
    assert told.record.number == 2
    assert {decided.spec for decided in told.rounds} == {1, 2}
    assert audit.violations(scaled.store, told) == []


def test_after_a_rollback_and_another_upgrade_the_first_choice_is_in_force_again(place):
    """A version without strategies recorded its own defaults meanwhile, and decided by them."""
    begun = specs.newest(place.store)
    rolled_back = {name: part for name, part in begun.spec.items() if name not in {"strategy", "exploit"}}
    rolled_back |= {"members": 12, "explore": {"factors": [0.8, 1.25], "resamplePercent": 25}}
    place.store.put(keys.spec(2), encode(structs.replace(begun, number=2, spec=rolled_back)))
    opened(place, members=12, strategy="Auto")
    record = specs.newest(place.store)
    assert (record.number, record.spec["members"], rules_of(record)) == (3, 12, CHOSEN)


class Overtaken(MemoryStore):
    """Another operator, which looked at another generation of the manifest, begins the population first."""

    def create(self, key, data):
        """See `Store.create`."""
        if key == keys.spec(1) and key not in self._objects:
            other = Simulation(asked(members=4), Deterministic())
            self.put(key, other.store.read(key))
        return super().create(key, data)


def test_of_two_operators_at_once_the_first_one_chooses():
    place = Simulation(asked(), Deterministic(), store=Overtaken())
    first, newest = specs.history(place.store)
    assert (
        rules_of(first)
        == rules_of(newest)
        == ("Auto", {"percent": 10}, 20, {**CHOSEN[3], "reachPercent": 10})
    )
    assert newest.spec["members"] == 8


def test_the_status_shows_who_chose_what(place):
    place.run()
    for status in (read_archive(place.store).status(), place.last.result):
        assert status.strategy == "Auto"
        assert status.exploit == {
            "truncation": {"percent": 14},
            "horizonPercent": 20,
            "minGap": 0.0,
            "copy": "Both",
        }
        assert status.explore == {"reachPercent": 14, "resamplePercent": 25}


def test_a_local_run_has_no_owner_and_the_same_strategy(place):
    session = opened(place, replace(OWNER, uid=None), members=6)
    assert session.reconciler.spec.exploit.rule == Truncation(percent=14)
