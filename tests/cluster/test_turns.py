"""A cluster that grants fewer pods than members: they take turns, and nothing else changes."""

import json

from cluster.populations import SMALL, decisions
from cluster.space import Space
from pbt_operator.records.archive import Archive


def test_members_take_turns_where_a_quota_grants_fewer_pods(space: Space, local: Archive) -> None:
    """Two pods for four members without `parallelism`: a minute on they share them, and no pod is made for a turn.

    One is made for each slot and, at the most, for each member's end.
    """
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": 2}},
    }
    space.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    space.until(lambda: space.get("quota", "few").get("status", {}).get("hard") == {"pods": "2"}, "it holds")
    template = space.template("deterministic.py", STEP_SECONDS="0.3")
    applied = space.apply(space.population("granted", SMALL, restart="InPlace", template=template))
    told = applied.until_condition("Progressing", status="True", reason="TakingTurns")
    assert told["message"].startswith("2 of 4 run, 2 wait for ")
    assert told["message"].endswith("; members take turns")
    found = applied.until_ended()
    assert decisions(found) == decisions(local), applied.account(found)
    late = [event["note"] for event in applied.events if event["reason"] == "TakeoverLate"]
    assert not late
    assert len(applied.history) <= 2 + 4 + len(applied.disrupted), applied.account(found)
