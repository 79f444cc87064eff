"""Operators of several versions at one location: who is too old touches nothing, who is newer opens nothing anew."""

import json
import signal

from pbt_contract import keys
from pbt_contract.records import Cause

PATIENT = {
    "members": 2,
    "schedule": {"totalSteps": 100_000, "intervalSteps": 20, "quorumPercent": 100},
    "exploit": {"none": {}},
    "step_seconds": 0.05,
}


def decided(team, name, *, rounds):
    return team.until(lambda: (team.read(name).get("status") or {}).get("rounds", 0) >= rounds)


def test_a_record_of_a_newer_format_stops_the_operator_and_no_trainer(world, team):
    """A newer operator was here, and somebody went back to this one: upgrading it again is all there is to do."""
    team.create("newer", **PATIENT)
    decided(team, "newer", rounds=1)
    store, pods = team.store("newer"), team.pods("newer")
    world.operator.end(signal.SIGKILL)
    key = keys.report(1, 0, 9)
    store.create(key, b'{"format": 2}')
    ordered = [*store.names(keys.BIRTHS), *store.names(keys.ROUNDS), *store.names(keys.SPECS)]
    reports = len(list(store.names(keys.REPORTS)))
    world.operator.start()
    told = team.wait("newer", "StorageReady", "False", "RecordRefused")["message"]
    assert told.startswith(f"{key}: format 2, and this version reads format 1")
    assert "upgrade" in told
    team.until(lambda: "StorageRecordRefused" in {reason for reason, _ in team.events("newer")})
    team.until(lambda: len(list(store.names(keys.REPORTS))) >= reports + 4)  # trainers go on
    assert [*store.names(keys.BIRTHS), *store.names(keys.ROUNDS), *store.names(keys.SPECS)] == ordered
    assert team.pods("newer") == pods
    store.delete([key])
    team.wait("newer", "StorageReady", "True")
    decided(team, "newer", rounds=2)
    assert team.pods("newer") == pods
    assert {birth.cause for birth in team.archive("newer").births.values()} == {Cause.INITIAL}


def test_an_upgrade_opens_no_population_anew_that_has_ended(world, team):
    """Its spec was recorded by a version that knew fewer fields; they have defaults, so that nothing has changed."""
    team.create("ended", **{**PATIENT, "members": 1, "schedule": {"totalSteps": 20, "intervalSteps": 10}})
    team.wait("ended", "Complete", "True", "AllStepsDone")
    team.until(lambda: not team.read("ended")["status"]["replicas"])
    store, key, before = team.store("ended"), keys.spec(1), team.read("ended")["status"]
    world.operator.end(signal.SIGKILL)
    record = json.loads(store.read(key))
    del record["spec"]["finish"], record["spec"]["schedule"]["burnInSteps"]
    store.delete([key])
    store.create(key, json.dumps(record).encode())
    world.operator.start()
    labels = {"namespace": team.name, "population": "ended"}
    team.until(lambda: world.operator.metric("pbt_population_members", state="Finished", **labels) == 1)
    assert list(store.names(keys.SPECS)) == [key]
    assert list(store.names(keys.RESULTS)) == [keys.result(1)]
    assert team.read("ended")["status"] == before
