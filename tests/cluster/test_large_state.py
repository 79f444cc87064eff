"""A large state, in pods as Kubernetes makes them."""

from cluster.populations import TINY
from cluster.space import Space
from pbt_contract.records import Cause


def test_a_state_of_100_mb_is_saved_and_restored_with_the_default_shared_memory(space: Space) -> None:
    """The trainer compares every number that a restore brought, and fails where one is another."""
    schedule = {**TINY["schedule"], "totalSteps": 12, "intervalSteps": 1}
    changes = {"members": 1, "schedule": schedule, "backoffLimit": 0, "template": space.template("large.py")}
    applied = space.apply(space.population("large", TINY, **changes))
    applied.until(lambda: applied.status.get("best"), "it reported")
    space.kubectl("delete", "pod", applied.live[0]["metadata"]["name"], "--wait=false")
    found = applied.until_ended()
    assert found.births[0, 2].cause is Cause.RESUME
    for report in found.reports.values():
        assert sum(file.size for file in report.files) > 100_000_000
        assert report.metrics["shared_memory"] == 64 * 2**20
