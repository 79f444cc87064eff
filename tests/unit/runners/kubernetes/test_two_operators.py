"""Two operators as processes on a real API server: one drives, the other stands by and takes over."""

import json
import secrets
import signal
from contextlib import ExitStack
from typing import Any

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.records.archive import read_archive
from simulation import Simulation

LEASE: dict[str, Any] = {"namespace": "default", "name": "pbt-operator", "seconds": 2}
SCHEDULE = {"totalSteps": 40, "intervalSteps": 10, "quorumPercent": 100}
PASSES = "pbt_reconcile_seconds_count"


@pytest.fixture
def two(world):
    """Two more operators, in place of the one that serves the other tests."""
    with ExitStack() as stack:
        stack.callback(world.operator.start)
        world.operator.end()
        both = [world.operator.twin(f"twin-{secrets.token_hex(4)}", lease=LEASE) for _ in range(2)]
        for operator in both:
            stack.callback(operator.close)
            operator.start()
        yield both
        world.api.kubectl("delete", "lease", LEASE["name"], "--ignore-not-found")


def holder(world):
    found = world.api.kubectl("get", "lease", LEASE["name"], "-o", "json").stdout
    return json.loads(found)["spec"]["holderIdentity"]


def test_one_drives_and_where_it_is_killed_the_other_one_does(world, team, two):
    leader, standby = two
    simulated = Simulation(spec(DETERMINISTIC, members=4, schedule=SCHEDULE), Deterministic()).run()
    first = holder(world)
    team.create("digits", members=4, schedule=SCHEDULE, step_seconds=0.05)
    team.until(lambda: (team.read("digits").get("status") or {}).get("rounds", 0) >= 1)
    assert leader.metric(PASSES) > 0
    assert standby.metric(PASSES) == 0
    assert (standby.get("/healthz")[0], standby.get("/readyz")[0]) == (200, 200)
    assert f"stands by: {first} holds the lease" in standby.log.read_text()

    leader.end(signal.SIGKILL)
    team.wait("digits", "Complete", "True")
    assert decisions(team.archive("digits").rounds) == decisions(read_archive(simulated.store).rounds)
    assert world.node.doubled == []
    assert standby.metric(PASSES) > 0
    assert holder(world) not in {first, ""}

    leader.start()  # the other one has the lease: it stands by
    assert leader.metric(PASSES) == 0
    assert standby.end() == 0
    team.until(lambda: leader.metric(PASSES) > 0)


def test_one_that_drives_ends_where_another_one_has_taken_the_lease(world, two):
    leader, _ = two
    taken = json.dumps({"spec": {"holderIdentity": "another", "leaseDurationSeconds": 300}})
    world.api.kubectl("patch", "lease", LEASE["name"], "--type=merge", "-p", taken)
    assert leader.ended() == 1
    assert "ends: another holds the lease" in leader.log.read_text()
    assert holder(world) == "another"
