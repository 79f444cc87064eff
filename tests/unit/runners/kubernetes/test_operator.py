"""The operator as a process, on a real API server and a real store, with real trainers."""

import signal
import sys
import time
from contextlib import closing
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Cause, Claim
from pbt_operator.records import audit, owners
from pbt_operator.records.archive import read_archive
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER
from simulation import Simulation

SCHEDULE = {"totalSteps": 40, "intervalSteps": 10, "quorumPercent": 100}
SMALL: dict[str, Any] = {"members": 4, "schedule": SCHEDULE}
ENDLESS: dict[str, Any] = {
    "members": 2,
    "schedule": {"totalSteps": 100_000, "intervalSteps": 20, "quorumPercent": 100},
    "exploit": {"none": {}},
    "step_seconds": 0.05,
}


@pytest.fixture(scope="module")
def simulated() -> list[object]:
    """What the in-memory runner decides for the same manifest and the same function."""
    simulation = Simulation(spec(DETERMINISTIC, **SMALL), Deterministic()).run()
    found = decisions(read_archive(simulation.store).rounds)
    assert len(found) >= 3
    return found


def training(team, name, *, rounds=1):
    """A Population that runs and has decided so many rounds."""

    def found():
        body = team.read(name)
        return body if (body.get("status") or {}).get("rounds", 0) >= rounds else None

    return team.until(found)


def test_a_population_trains_to_its_end(world, team, simulated):
    uid = team.create("digits", **SMALL, parallelism=2)["metadata"]["uid"]
    team.wait("digits", "Complete", "True", "AllStepsDone")
    told = team.archive("digits")
    assert decisions(told.rounds) == simulated
    assert world.node.most[uid] == 2
    assert world.node.doubled == []

    status = team.until(lambda: (s := team.read("digits")["status"]) and not s["replicas"] and s)
    assert status["location"] == f"s3://{world.s3.bucket}/pbt/{team.name}/digits-{uid[:8]}"
    assert (status["phase"], status["rounds"], status["exploits"]) == ("Complete", 4, len(simulated))
    assert status["best"]["score"] == told.best.score
    assert status["best"]["checkpoint"] == told.best.source.checkpoint
    assert {m["member"]: m["state"] for m in status["members"]} == dict.fromkeys(range(4), "Finished")
    assert status["steps"] == {
        "productive": told.result.steps.productive,
        "discarded": told.result.steps.discarded,
        "remaining": 0,
        "waiting": 0,
    }
    assert status["seconds"] == msgspec.to_builtins(told.status().seconds)
    found = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert found == {
        "Accepted": ("True", "Accepted"),
        "StorageReady": ("True", "Ready"),
        "Progressing": ("False", "AllStepsDone"),
        "Suspended": ("False", "NotSuspended"),
        "Complete": ("True", "AllStepsDone"),
        "Failed": ("False", "AllStepsDone"),
        "Ready": ("True", "AllStepsDone"),
        "Reconciling": ("False", "AllStepsDone"),
        "Stalled": ("False", "AllStepsDone"),
    }
    assert (status["progress"], status["running"]) == ("4/4", "0/2")
    assert status["startTime"] <= status["completionTime"]
    reasons = [reason for reason, _ in team.events("digits")]
    assert reasons.count("AllStepsDone") == 1
    assert reasons.count("Exploited") == len(simulated)

    assert world.operator.get("/healthz") == (200, "ok\n")
    labels = {"namespace": team.name, "population": "digits"}
    assert world.operator.metric("pbt_population_members", state="Finished", **labels) == 4
    assert world.operator.metric("pbt_births_total", **labels) == len(told.births)
    assert world.operator.metric("pbt_store_requests_total", store="default") > 0


def test_a_restart_of_the_operator_changes_nothing_of_what_has_ended(world, team):
    team.create("ended", **{**SMALL, "members": 1})
    team.wait("ended", "Complete", "True")
    before = team.until(lambda: (b := team.read("ended")) and not b["status"]["replicas"] and b)
    pods = team.pods("ended")
    assert world.operator.end() == 0
    assert world.operator.get("/healthz")[0] == 0
    world.operator.start()
    labels = {"namespace": team.name, "population": "ended"}
    team.until(lambda: world.operator.metric("pbt_population_members", state="Finished", **labels) == 1)
    team.until(lambda: world.operator.metric("pbt_reconcile_seconds_count"))
    assert team.read("ended") == before
    assert team.pods("ended") == pods


@pytest.mark.parametrize("restart", ["Recreate", "InPlace"])
def test_kills_and_an_outage_of_the_api_server_change_no_decision(world, team, simulated, restart):
    uid = team.create("killed", **SMALL, step_seconds=0.05, restart=restart)["metadata"]["uid"]
    for rounds in (1, 2):
        training(team, "killed", rounds=rounds)
        world.operator.end(signal.SIGKILL)
        time.sleep(0.5)  # decisions wait, trainers don't
        world.operator.start()
    world.way_to_api.cut()
    time.sleep(1.5)
    assert world.operator.get("/healthz") == (200, "ok\n")
    world.way_to_api.mend()
    team.wait("killed", "Complete", "True")
    told = team.archive("killed")
    assert decisions(told.rounds) == simulated
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    assert world.node.doubled == []
    # In place, a process takes the next birth unless it was through before the operator was back to order it.
    assert world.node.started[uid] <= len(told.births)


@pytest.mark.parametrize("kills", [0, 2])
def test_on_fewer_slots_in_place_labels_follow_whose_life_a_pod_lives(world, team, simulated, kills):
    """Also those of an operator that was killed between a request to yield and the labels."""
    name = f"sliced-{kills}"
    spec = {**SMALL, "parallelism": 2, "restart": "InPlace", "step_seconds": 0.3}
    uid = team.create(name, **spec)["metadata"]["uid"]
    for rounds in range(1, kills + 1):
        training(team, name, rounds=rounds)
        world.operator.end(signal.SIGKILL)
        world.operator.start()
    team.wait(name, "Complete", "True", "AllStepsDone")
    told = team.archive(name)
    assert decisions(told.rounds) == simulated
    assert world.node.most[uid] == 2
    assert world.node.doubled == []
    assert world.node.started[uid] < len(told.births)

    store = team.store(name)
    claims = {keys.life_in(key): decode(Claim, store.read(key), key=key) for key in store.names(keys.CLAIMS)}
    lived_by = [
        {member for (member, _), claim in claims.items() if claim.pod == pod} for pod in _pods(claims)
    ]
    assert any(len(members) > 1 for members in lived_by)
    assert list(store.names(keys.YIELDS))

    def labelled():
        pods = team.core.list_namespaced_pod(team.name, label_selector=f"pbt.dev/population={name}").items
        shown = {(int(p.metadata.labels[MEMBER]), int(p.metadata.labels[INCARNATION])): p for p in pods}
        right = all(claims[life].pod == pod.metadata.uid for life, pod in shown.items())
        moved = [life for life, pod in shown.items() if pod.metadata.name != f"{name}-{life[0]}-{life[1]}"]
        return right and len(moved) > 0

    team.until(labelled)


def _pods(claims):
    return {claim.pod for claim in claims.values()}


def test_two_operators_at_once_decide_as_one(world, team, simulated):
    """As they do for a moment when a node is lost: the records and the pods' names settle what is done."""
    with closing(world.operator.twin()) as twin:
        twin.start()
        team.create("twice", **SMALL)
        team.wait("twice", "Complete", "True")
    told = team.archive("twice")
    assert decisions(told.rounds) == simulated
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    assert world.node.doubled == []


def test_a_suspended_population_has_no_pods_and_goes_on_without_loss(team):
    team.create("paused", **ENDLESS)
    started = training(team, "paused")["status"]["startTime"]
    team.change("paused", suspend=True)
    team.wait("paused", "Suspended", "True")
    team.until(lambda: not team.read("paused")["status"]["replicas"])
    status = team.read("paused")["status"]
    assert (status["phase"], status.get("startTime")) == ("Suspended", None)
    assert all(pod.status.phase == "Succeeded" for pod in team.core.list_namespaced_pod(team.name).items)
    reached = {m["member"]: m["step"] for m in status["members"]}
    team.change("paused", suspend=False)
    team.wait("paused", "Suspended", "False")
    resumed = team.until(lambda: (s := team.read("paused")["status"]) and s["readyReplicas"] == 2 and s)
    assert resumed["startTime"] >= started
    team.change("paused", finish=True)
    told = team.wait("paused", "Complete", "True", "Finished")
    assert "finish" in told["message"]
    archive = team.archive("paused")
    for (member, incarnation), birth in archive.births.items():
        if incarnation > 1:
            assert birth.cause is Cause.RESUME
            assert birth.start_step >= reached[member]
    assert archive.result.best == team.until(lambda: archive.result).best
    assert team.read("paused")["status"]["best"]["score"] == archive.best.score


def test_what_a_crashed_trainer_said_last_is_shown(team):
    script = "print('reading data'); raise SystemExit('no file train.npz in /data')"
    command = [sys.executable, "-c", script]
    team.create("broken", **{**SMALL, "members": 2}, command=command, backoffLimit=1)
    failed = team.wait("broken", "Failed", "True", "AllMembersFailed")
    assert "no file train.npz in /data" in failed["message"]
    status = team.until(lambda: (s := team.read("broken")["status"]) and s["failedMembers"] == 2 and s)
    assert [m["state"] for m in status["members"]] == ["Failed", "Failed"]
    assert all("with exit code 1: no file train.npz in /data" in m["reason"] for m in status["members"])
    events = [event for event in team.events("broken") if event[0] != "SlowSearch"]
    assert {reason for reason, _ in events} == {"Crashed", "MemberFailed", "AllMembersFailed"}
    assert all("no file train.npz in /data" in note for _, note in events)
    # One pod of each member stays, for its logs.
    assert sorted(team.pods("broken")) == ["broken-0-2", "broken-1-2"]


@pytest.mark.parametrize(("skip", "purged"), [(False, True), (True, False)])
def test_a_deleted_population_takes_what_it_stored_along_if_it_should(world, team, skip, purged):
    team.create("gone", **{**ENDLESS, "members": 1}, retention={"onDelete": "Delete"})
    body = team.until(lambda: (b := team.read("gone")) and b.get("status", {}).get("best") and b)
    assert body["metadata"]["finalizers"] == ["pbt.dev/purge"]
    location = body["status"]["location"]
    neighbour = world.store(location + "-2")
    neighbour.create("births/other.json", b"{}")
    store = world.store(location)
    if skip:
        team.annotate("gone", skip_purge="true")
        team.until(lambda: team.read("gone")["metadata"]["annotations"])
    team.delete("gone")
    team.until(lambda: team.read("gone") is None)
    left = list(store.names(""))
    assert (left == []) == purged
    assert list(neighbour.names("")) == ["births/other.json"]
    if purged:
        assert team.pods("gone") == {}
        team.until(lambda: ("Purged", f"{location} is deleted") in team.events("gone"))


def test_who_adopts_a_location_drives_it_and_the_former_owner_stops(world, team):
    uid = team.create("first", **ENDLESS, retention={"onDelete": "Delete"})["metadata"]["uid"]
    location = training(team, "first")["status"]["location"]
    team.create("second", **ENDLESS, storage={"adopt": f"first-{uid[:8]}"})
    second = team.until(lambda: (b := team.read("second")) and b.get("status", {}).get("readyReplicas") and b)
    assert second["status"]["location"] == location
    # The former owner looks every 30 seconds; one that starts looks at once.
    world.operator.end(signal.SIGKILL)
    world.operator.start()
    failed = team.wait("first", "Failed", "True", "NotOwner")
    assert f"{team.name}/second" in failed["message"]
    team.until(lambda: not team.pods("first"))
    rounds = team.read("second")["status"]["rounds"]
    training(team, "second", rounds=rounds + 1)
    team.delete("first")
    team.until(lambda: team.read("first") is None)
    team.until(lambda: any(reason == "Purged" and "stays" in told for reason, told in team.events("first")))
    store = world.store(location)
    assert owners.current(store).name == "second"
    training(team, "second", rounds=rounds + 2)
    team.change("second", finish=True)
    team.wait("second", "Complete", "True")
    assert audit.violations(store, read_archive(store)) == []


@pytest.mark.parametrize("restarts", [False, True], ids=["the operator stays", "the operator starts anew"])
def test_a_wrong_change_leaves_the_spec_before_in_force(world, team, restarts):
    body = team.create("steered", **ENDLESS)
    training(team, "steered")
    pods = team.pods("steered")
    template = deepcopy(body["spec"]["template"])
    template["spec"]["containers"][0]["env"].append({"name": "PBT_MEMBER", "value": "7"})
    team.change("steered", template=template, finish=True)
    wrong = team.wait("steered", "Accepted", "False", "InvalidTemplate")
    assert "PBT_MEMBER" in wrong["message"]
    if restarts:
        world.operator.end()
        world.operator.start()
    rounds = team.read("steered")["status"]["rounds"]
    training(team, "steered", rounds=rounds + 2)
    assert team.pods("steered") == pods
    team.change("steered", template=body["spec"]["template"])
    team.wait("steered", "Accepted", "True")
    team.wait("steered", "Complete", "True", "Finished")
    assert team.read("steered")["status"]["observedGeneration"] == 3


def test_a_store_that_is_not_set_up_is_told_and_nothing_starts(team):
    team.create("wrong", **SMALL, storage={"store": "nowhere"})
    refused = team.wait("wrong", "Accepted", "False", "UnknownStore")
    assert "nowhere" in refused["message"]
    assert "default" in refused["message"]
    assert team.pods("wrong") == {}
    assert [reason for reason, _ in team.events("wrong")] == ["UnknownStore"]


def test_a_template_that_the_api_server_refuses_is_told_and_can_be_corrected(team):
    body = team.create("wrong", **{**SMALL, "members": 1}, suspend=True, finish=True)
    template = deepcopy(body["spec"]["template"])
    template["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "much"}}
    team.change("wrong", template=template, suspend=False)
    refused = team.wait("wrong", "Accepted", "False", "TemplateRefused")
    assert "quantities" in refused["message"]
    assert team.pods("wrong") == {}
    team.change("wrong", template=body["spec"]["template"])
    team.wait("wrong", "Accepted", "True")
    ended = team.wait("wrong", "Failed", "True", "NoFiniteScore")
    assert "spec.finish is true" in ended["message"]


def test_trainers_go_on_while_the_store_is_away(world, team):
    team.create("patient", **ENDLESS, storage={"store": "far"})
    rounds = training(team, "patient")["status"]["rounds"]
    pods = team.pods("patient")
    world.way_to_store.cut()
    away = team.wait("patient", "StorageReady", "False", "Unreachable")
    assert away["message"]
    assert world.operator.get("/healthz") == (200, "ok\n")
    world.way_to_store.mend()
    team.wait("patient", "StorageReady", "True", "Ready")
    training(team, "patient", rounds=rounds + 2)
    assert team.pods("patient") == pods
    told = team.archive("patient")
    assert {birth.cause for birth in told.births.values()} == {Cause.INITIAL}


def test_a_population_that_ended_is_deleted_when_its_time_is_over(world, team):
    team.create("short", **SMALL, finish=True, ttlSecondsAfterFinished=1)
    shown: list[str] = []  # it may be gone right after it has shown where it stores

    def is_gone() -> bool:
        found = team.read("short")
        shown.append((found or {}).get("status", {}).get("location", ""))
        return found is None

    team.until(is_gone)
    location = max(shown)
    assert read_archive(world.store(location)).result.reason == "NoFiniteScore"


def test_a_quota_that_is_used_up_is_waited_for(team):
    quota = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
    team.core.create_namespaced_resource_quota(team.name, quota)
    status = {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}
    team.core.patch_namespaced_resource_quota_status("one", team.name, status)
    team.create("large", **{**ENDLESS, "members": 3})
    waiting = team.wait("large", "Progressing", "True", "QuotaExceeded")
    assert "exceeded quota" in waiting["message"]
    assert len(team.pods("large")) == 1  # whichever of those that are created at once came first
    more = {"status": {"hard": {"pods": "3"}}}
    team.core.patch_namespaced_resource_quota("one", team.name, {"spec": {"hard": {"pods": "3"}}})
    team.core.patch_namespaced_resource_quota_status("one", team.name, more)
    team.wait("large", "Progressing", "True", "Training")
    assert sorted(team.pods("large")) == ["large-0-1", "large-1-1", "large-2-1"]


def test_no_request_blocks_the_event_loop(world, team):
    """Whatever the tests before it have had it do."""
    team.create("seen", **SMALL, finish=True)
    team.wait("seen", "Failed", "True")
    found = {
        line.removeprefix("blocking request on ")
        for line in world.operator.log.read_text().splitlines()
        if line.startswith("blocking request on ")
    }
    assert any(name.startswith("pass") for name in found)
    assert "MainThread" not in found
