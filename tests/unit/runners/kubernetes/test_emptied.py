"""A location that loses what was stored in it while its Population trains."""

import signal
from typing import Any

import pytest

from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive

ENDLESS: dict[str, Any] = {
    "members": 2,
    "schedule": {"totalSteps": 100_000, "intervalSteps": 20, "quorumPercent": 100},
    "exploit": {"none": {}},
    "step_seconds": 0.05,
}


@pytest.mark.parametrize("restarts", [False, True], ids=["the operator stays", "the operator starts anew"])
def test_a_population_whose_location_was_emptied_stops_until_it_is_restored(world, team, restarts):
    """Nothing is written from memory into the empty place, and nothing begins there by itself."""
    team.create("wiped", **ENDLESS)
    team.until(lambda: (team.read("wiped").get("status") or {}).get("rounds"))
    store = team.store("wiped")
    if restarts:
        world.operator.end(signal.SIGKILL)
    kept = {key: store.read(key) for key in store.names("")}
    store.purge()
    if restarts:
        world.operator.start()
    else:
        team.change("wiped", parallelism=1)  # else it looks within 30 seconds
    failed = team.wait("wiped", "Failed", "True", "LocationEmptied")
    assert store.url in failed["message"]
    team.until(lambda: not team.pods("wiped"))
    assert [key for key in store.names("") if key.startswith(("owners/", "specs/"))] == []

    store.purge()  # what its trainers have stored since
    for key, data in kept.items():
        store.create(key, data)
    rounds = len([key for key in kept if key.startswith("rounds/")])
    team.until(lambda: team.read("wiped")["status"]["rounds"] > rounds)
    assert team.condition("wiped", "Failed")["status"] == "False"
    team.change("wiped", finish=True)
    team.wait("wiped", "Complete", "True")
    assert audit.violations(store, read_archive(store)) == []
