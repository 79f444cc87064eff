"""What a Population is told for good reason and seldom: the rows of docs/failures.md that nothing else proves."""

import sys
from typing import Any

from fixtures.manifests import DETERMINISTIC
from pbt_contract import keys

SMALL: dict[str, Any] = {"members": 1, "schedule": {"totalSteps": 20, "intervalSteps": 10}}


def test_a_trainer_that_ends_early_without_a_record_has_crashed(team):
    """Whatever its exit code: a script without a single report trains nothing."""
    team.create("silent", **SMALL, command=[sys.executable, "-c", "pass"], backoffLimit=0)
    failed = team.wait("silent", "Failed", "True", "AllMembersFailed")
    assert "ended by itself before the last step, without a record" in failed["message"]


def test_a_new_value_of_the_annotation_continues_a_population_that_failed(team):
    """The same manifest applied again does not, so that nothing that applies it for ever makes a loop of it."""
    team.create("silent", **SMALL, command=[sys.executable, "-c", "pass"], backoffLimit=0)
    team.wait("silent", "Failed", "True", "AllMembersFailed")
    store = team.store("silent")
    assert len(list(store.names(keys.SPECS))) == 1
    for tries in (2, 3):
        team.annotate("silent", retry=str(tries))
        team.until(lambda n=tries: len(list(store.names(keys.RESULTS))) == n or None)
        assert len(list(store.names(keys.SPECS))) == tries
    team.wait("silent", "Failed", "True", "AllMembersFailed")
    returned = [reason for reason, _ in team.events("silent") if reason == "Returned"]
    assert returned


def test_a_population_of_a_former_ones_name_begins_anew_and_says_so(team):
    former = team.create("again", **SMALL, finish=True)["metadata"]["uid"]
    team.wait("again", "Failed", "True", "NoFiniteScore")
    team.delete("again")
    team.until(lambda: team.read("again") is None)
    team.create("again", **SMALL, finish=True)
    told = team.until(lambda: dict(team.events("again")).get("LocationNotAdopted"))
    assert f"storage.adopt: again-{former[:8]}" in told


def test_a_location_is_not_adopted_by_another_experiment(team):
    former = team.create("first", **SMALL, finish=True)["metadata"]["uid"]
    team.wait("first", "Failed", "True", "NoFiniteScore")
    spec = {**SMALL, "seed": DETERMINISTIC["seed"] + 1, "storage": {"adopt": f"first-{former[:8]}"}}
    team.create("second", **spec, finish=True)
    refused = team.wait("second", "Accepted", "False", "AnotherExperiment")
    assert "spec.seed" in refused["message"]
    assert team.pods("second") == {}
