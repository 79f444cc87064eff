"""Drains beside a PodDisruptionBudget with fewer pods than members: which ones end."""

import json
from pathlib import Path
from typing import Any

import yaml

from cluster import pods
from cluster.applied import Applied
from cluster.populations import SMALL
from cluster.space import Space
from cluster.watch import Body
from pbt_contract.records import Cause
from pbt_operator.runners.kubernetes.pod_template import POPULATION, POPULATION_UID

EXAMPLE = yaml.safe_load((Path(__file__).parents[2] / "examples" / "disruption_budget.yaml").read_text())


def test_a_budget_in_whole_pods_lets_a_drain_through_and_one_that_counts_members_never_does(
    space: Space,
) -> None:
    spec = {**SMALL, "parallelism": 2, "restart": "InPlace", "exploit": {"none": {}}}
    template = space.template("deterministic.py", grace_seconds=60, STEP_SECONDS="0.5")
    applied = space.apply(space.population("drained", spec, template=template))
    space.until(lambda: len(ready(applied)) == 2, "both pods are ready")

    until_budget(applied, {"maxUnavailable": 1}, expectedPods=4, desiredHealthy=3, currentHealthy=2)
    first, second = sorted(ready(applied))
    assert not evict(space, first)
    assert not evict(space, second)
    until_budget(applied, {"maxUnavailable": "50%"}, expectedPods=4, desiredHealthy=2, currentHealthy=2)
    assert not evict(space, first)

    assert EXAMPLE["spec"].keys() == {"minAvailable", "selector"}
    until_budget(applied, {"minAvailable": 1}, desiredHealthy=1, currentHealthy=2, disruptionsAllowed=1)
    assert evict(space, first)
    assert not evict(space, second), "nobody runs for the first yet"
    drain(applied, second)

    found = applied.until_ended()
    told = [event for event in applied.events if event["reason"] == "Disrupted"]
    assert len([event for event in told if "EvictionByEvictionAPI" in event["note"]]) >= 2
    resumed = [birth for birth in found.births.values() if birth.cause is Cause.RESUME]
    assert len(resumed) >= 2
    blamed = [event["note"] for event in applied.events if event["reason"] in {"Crashed", "MemberFailed"}]
    assert blamed == []


def ready(applied: Applied) -> list[str]:
    """The names of the pods that a budget takes for healthy."""
    return [pod["metadata"]["name"] for pod in applied.pods if pods.is_live(pod) and _is_ready(pod)]


def _is_ready(pod: Body) -> bool:
    conditions = pod["status"].get("conditions", ())
    return {"type": "Ready", "status": "True"}.items() <= next(
        (c for c in conditions if c["type"] == "Ready"), {}
    ).items()


def drain(applied: Applied, name: str) -> None:
    """Drains the population's pods from the node of one; where nodes aren't ours to cordon, evicts that one."""
    space = applied.space
    if space.cluster.faults is None:
        space.until(lambda: evict(space, name), "the budget allows it")
        return
    node = space.pods.now[name]["spec"]["nodeName"]
    try:
        space.kubectl("drain", node, f"--pod-selector={POPULATION_UID}={applied.uid}", "--timeout=240s")
    finally:
        space.kubectl("uncordon", node)


def until_budget(applied: Applied, numbers: dict[str, Any], **status: int) -> None:
    """Gives the population the example's budget with other numbers; waits until its controller has counted."""
    space, selector = applied.space, EXAMPLE["spec"]["selector"]
    assert selector["matchLabels"].keys() == {POPULATION}
    budget = {
        **EXAMPLE,
        "metadata": {"name": applied.name},
        "spec": {**numbers, "selector": {"matchLabels": {POPULATION: applied.name}}},
    }
    space.kubectl("delete", "poddisruptionbudget", "--all")
    space.kubectl("create", "-f", "-", stdin=json.dumps(budget))

    def counted() -> bool:
        found = space.get("poddisruptionbudget", applied.name)
        told = found.get("status", {})
        return bool(told.get("observedGeneration") and status.items() <= told.items())

    space.until(counted, f"a budget of {numbers} has {status}")


def evict(space: Space, name: str) -> bool:
    """Asks for an eviction as `kubectl drain` does; whether the budget allows it."""
    metadata = {"name": name, "namespace": space.name}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    url = f"/api/v1/namespaces/{space.name}/pods/{name}/eviction"
    told = space.kubectl("create", "--raw", url, "-f", "-", stdin=json.dumps(eviction), check=False)
    if "disruption budget" in told:
        return False
    assert '"Success"' in told, told
    return True
