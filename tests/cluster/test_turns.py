"""A cluster that grants fewer pods than members: they take turns, and nothing else changes."""

import json

import pytest

from cluster.populations import SMALL, decisions
from cluster.space import Space
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Claim, Started
from pbt_operator.records.archive import Archive


@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
def test_members_take_turns_where_a_quota_grants_fewer_pods(
    space: Space, local: Archive, restart: str
) -> None:
    """Two pods for four members without `parallelism`: a minute on they share them, and no pod is made for a turn.

    One is made for each slot and, at the most, for each member's end. Under Recreate none is made for what follows an
    exploit either: the process runs its command again.
    """
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": 2}},
    }
    space.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    space.until(lambda: space.get("quota", "few").get("status", {}).get("hard") == {"pods": "2"}, "it holds")
    template = space.template("deterministic.py", STEP_SECONDS="0.1")
    applied = space.apply(space.population("granted", SMALL, restart=restart, template=template))
    told = applied.until_condition("Progressing", status="True", reason="TakingTurns")
    assert told["message"].startswith("2 of 4 run, 2 wait for ")
    assert told["message"].endswith("; members take turns")
    found = applied.until_ended()
    assert decisions(found) == decisions(local), applied.account(found)
    late = [event["note"] for event in applied.events if event["reason"] == "TakeoverLate"]
    assert not late
    names = [keys.claim(*life) for life in found.claimed]
    claims = [decode(Claim, applied.store.read(key), key=key) for key in names]
    assert (Started.IN_PLACE in {claim.started for claim in claims}) is (restart == "InPlace")
    assert ("restart is Recreate" in {claim.why for claim in claims}) is (restart == "Recreate")
    assert len(applied.history) <= 2 + 4 + len(applied.disrupted), applied.account(found)
