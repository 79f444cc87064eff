"""A resource that one test has to itself, other tenants' pods, and how many pods of a population have a node."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cluster import pods
from cluster.applied import Applied
from cluster.space import RESTRICTED, Space
from cluster.watch import Body
from kindcluster.faults import Faults


@contextmanager
def scarce(faults: Faults, name: str, *, each: int) -> Iterator[str]:
    """A resource of which each worker has so many; the scheduler counts it, as it counts GPUs."""
    resource, cluster = f"tests.pbt.dev/{name}", faults.cluster

    def give(number: str | None) -> None:
        patch = json.dumps({"status": {kind: {resource: number} for kind in ("capacity", "allocatable")}})
        for node in cluster.workers:
            command = ("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)
            cluster.access.kubectl(*command)

    give(str(each))
    try:
        yield resource
    finally:
        give(None)


def asking(template: dict[str, Any], resources: Body, **labels: str) -> dict[str, Any]:
    """A template whose pods ask for something, and have labels by which they get it."""
    (container,) = template["spec"]["containers"]
    pod = {**template["spec"], "containers": [{**container, "resources": resources}]}
    return {"metadata": {"labels": labels}, "spec": pod}


def tenants(space: Space, resources: Body, *, number: int, seconds: float, **labels: str) -> Body:
    """Another tenant's pods: so many wait, and whichever gets a place keeps it for a while."""
    container = {
        "name": "work",
        "image": space.cluster.trainer_image,
        "command": ["sleep", f"{seconds:g}"],
        "resources": resources,
        "securityContext": RESTRICTED,
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    made = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"other-{n}", "labels": {"tests.pbt.dev/tenant": "other", **labels}},
            "spec": spec,
        }
        for n in range(number)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": made}


def placed(applied: Applied) -> dict[str, Body]:
    """By uid, the pods that have a node and whose trainer isn't over."""
    return {
        pod["metadata"]["uid"]: pod
        for pod in applied.pods
        if pods.is_live(pod) and pod["spec"].get("nodeName")
    }


@dataclass
class Gauge:
    """How many pods of a population had a node, as time goes by.

    Attributes:
        notes: when, and how many from then on.
    """

    applied: Applied
    notes: list[tuple[float, int]] = field(default_factory=list)

    def note(self) -> int:
        """Notes how many there are now."""
        number = len(placed(self.applied))
        self.notes.append((time.monotonic(), number))
        return number

    @property
    def mean(self) -> float:
        """Over the time between the first note and the last."""
        pairs = list(zip(self.notes, self.notes[1:], strict=False))
        return sum((after - at) * n for (at, n), (after, _) in pairs) / (self.notes[-1][0] - self.notes[0][0])

    @property
    def least(self) -> int:
        """The fewest."""
        return min(number for _, number in self.notes)
