"""The strategy on a real API server: what is refused and why, what goes on meanwhile, and an upgrade in mid-run."""

import json
from typing import Any

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_operator.records import specs
from pbt_operator.records.archive import read_archive
from simulation import Simulation

SCHEDULE = {"totalSteps": 100_000, "intervalSteps": 20, "quorumPercent": 100}
ENDLESS: dict[str, Any] = {"members": 2, "schedule": SCHEDULE, "strategy": None, "step_seconds": 0.05}
FILLED_IN: dict[str, Any] = {
    "exploit": {"minGap": 0, "copy": "Both"},
    "explore": {"factors": [0.8, 1.25], "resamplePercent": 25},
}
"""What the custom resource of a version without strategies made of a manifest that asked for nothing."""


def training(team, name, *, rounds):
    """So many rounds are decided."""
    return team.until(lambda: (s := team.read(name).get("status") or {}).get("rounds", 0) >= rounds and s)


def test_an_exploit_without_a_strategy_is_refused_until_it_has_one(team):
    team.create("unsaid", **ENDLESS, exploit={"none": {}})
    refused = team.wait("unsaid", "Accepted", "False", "InvalidSpec")
    assert "spec.exploit.none: is given without a strategy" in refused["message"]
    assert "come with strategy: Explicit" in refused["message"]
    assert team.pods("unsaid") == {}
    team.change("unsaid", strategy="Explicit")
    team.wait("unsaid", "Accepted", "True")
    status = training(team, "unsaid", rounds=1)
    assert (status["strategy"], "none" in status["exploit"]) == ("Explicit", True)


@pytest.mark.parametrize(
    ("remedy", "strategy"), [({"explore": None}, "Auto"), ({"strategy": "Explicit"}, "Explicit")]
)
def test_defaults_that_were_filled_in_before_it_ever_ran_are_not_guessed_about(team, remedy, strategy):
    """The resource was created under the custom resource of an earlier version, and has no location yet."""
    team.create("filled", **ENDLESS, **FILLED_IN)
    refused = team.wait("filled", "Accepted", "False", "InvalidSpec")
    assert "spec.explore.factors: is given without a strategy" in refused["message"]
    assert "spec.explore.resamplePercent: is given" in refused["message"]
    assert "spec.exploit" not in refused["message"]
    team.change("filled", **remedy)
    status = training(team, "filled", rounds=1)
    assert status["strategy"] == strategy
    assert ("factors" in status["explore"]) == (strategy == "Explicit")


def test_another_strategy_leaves_the_spec_before_in_force_also_for_the_next_operator(world, team):
    team.create("auto", **ENDLESS)
    chosen = training(team, "auto", rounds=1)
    assert chosen["strategy"] == "Auto"
    team.change("auto", strategy="Explicit", members=3)
    refused = team.wait("auto", "Accepted", "False", "AnotherExperiment")
    assert "spec.strategy differ from what" in refused["message"]
    assert "write them as they were" in refused["message"]
    training(team, "auto", rounds=chosen["rounds"] + 2)
    world.operator.end()
    world.operator.start()
    later = training(team, "auto", rounds=team.read("auto")["status"]["rounds"] + 2)
    assert team.condition("auto", "Accepted")["reason"] == "AnotherExperiment"
    assert len(team.archive("auto").history.members) == 2
    team.change("auto", strategy=None)
    team.wait("auto", "Accepted", "True")
    team.until(lambda: team.read("auto")["status"]["replicas"] == 3)
    for status in (later, team.read("auto")["status"]):
        assert [status[part] for part in ("strategy", "exploit", "explore")] == [
            chosen[part] for part in ("strategy", "exploit", "explore")
        ]
    found = specs.history(team.store("auto"))
    assert found is not None
    assert (found.newest.number, found.newest.spec["members"]) == (2, 3)
    assert [found.newest.spec[part] for part in ("exploit", "explore")] == [
        found.first.spec[part] for part in ("exploit", "explore")
    ]


def test_an_upgrade_in_mid_run_changes_no_decision_and_records_nothing(world, team):
    """The resource has the defaults that its API server filled in then; the record is of that time, too."""
    manifest = {"members": 4, "schedule": {**SCHEDULE, "totalSteps": 100}, "explore": FILLED_IN["explore"]}
    undisturbed = decisions(
        read_archive(Simulation(spec(DETERMINISTIC, **manifest), Deterministic()).run().store).rounds
    )
    team.create("upgraded", **manifest, step_seconds=0.05)
    training(team, "upgraded", rounds=1)
    world.operator.end()
    store = team.store("upgraded")
    record = json.loads(store.read(keys.spec(1)))
    del record["spec"]["strategy"], record["spec"]["exploit"]["horizonPercent"]
    store._client.put_object(
        Bucket=store._bucket, Key=store._base + keys.spec(1), Body=json.dumps(record).encode()
    )
    team.change("upgraded", strategy=None, **FILLED_IN)
    world.operator.start()
    team.wait("upgraded", "Complete", "True", "AllStepsDone")
    told = team.archive("upgraded")
    assert decisions(told.rounds) == undisturbed
    assert len(undisturbed) > 2
    assert list(store.names(keys.SPECS)) == [keys.spec(1)]
    assert team.read("upgraded")["status"]["strategy"] == "Explicit"
    assert team.condition("upgraded", "Accepted")["status"] == "True"
