"""A Population that a test applied: what the watches show of it, and what the bucket holds."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from cluster import pods
from cluster.populations import decisions, records, undecided
from cluster.watch import Body
from pbt_contract.records import Cause
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.runners.kubernetes.pod_state import population_of

if TYPE_CHECKING:
    from cluster.space import Space

PATIENCE = 240.0

T = TypeVar("T")


@dataclass(frozen=True)
class Applied:
    """One Population. One of the same name that is created later is another one."""

    space: "Space"
    name: str
    uid: str

    @property
    def body(self) -> Body | None:
        """Its resource as the watch shows it; None if it is gone."""
        body = self.space.populations.now.get(self.name)
        return body if body is not None and body["metadata"]["uid"] == self.uid else None

    @property
    def status(self) -> dict[str, Any]:
        """Its status; empty as long as there is none."""
        return (self.body or {}).get("status", {})

    def condition(self, kind: str) -> dict[str, Any]:
        """One condition, `Unknown` as long as there is none."""
        found = (c for c in self.status.get("conditions", ()) if c["type"] == kind)
        return next(found, {"status": "Unknown", "reason": "", "message": ""})

    @property
    def pods(self) -> list[Body]:
        """Those that are there, ended ones included."""
        return pods.of(self.space.pods.now, self.name)

    @property
    def live(self) -> dict[int, Body]:
        """By member, the pods whose trainer isn't over."""
        return {pods.member(pod): pod for pod in self.pods if pods.is_live(pod)}

    @property
    def history(self) -> dict[str, Body]:
        """By uid, every pod that it ever had, as the watch showed it last."""
        bodies = (change.body for change in self.space.pods.changes)
        return {body["metadata"]["uid"]: body for body in bodies if population_of(body) == self.uid}

    @property
    def disrupted(self) -> list[Body]:
        """Its pods that ended through nobody's fault."""
        return [pod for pod in self.history.values() if pods.is_disrupted(pod)]

    @property
    def events(self) -> list[Body]:
        """Its Events: `reason` and `note` say what happened."""
        listed = self.space.get("events.events.k8s.io")["items"]
        return [event for event in listed if event["regarding"].get("uid") == self.uid]

    def until_event(self, reason: str) -> None:
        """Waits for an Event with this reason: they are posted beside the passes."""
        self.until(lambda: any(event["reason"] == reason for event in self.events), f"an Event {reason}")

    def patch(self, **spec: Any) -> None:
        """Changes fields of the spec."""
        self.space.kubectl("patch", "population", self.name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def delete(self) -> None:
        """Deletes it and waits until it and its pods are gone."""
        self.space.kubectl("delete", "population", self.name, "--wait=false")
        self.until(lambda: self.body is None and not self.pods, "it and its pods are gone")

    def until(self, fact: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
        """Waits until `fact` returns something true, which is returned."""
        return self.space.until(fact, f"{self.name}: {what}", seconds=seconds)

    def until_condition(
        self, kind: str, *, status: str = "True", reason: str | None = None, seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """Waits for a condition, of a certain reason where one is given."""

        def holds() -> dict[str, Any] | None:
            found = self.condition(kind)
            return found if found["status"] == status and reason in {None, found["reason"]} else None

        return self.until(holds, f"{kind} is {status} {reason or ''}", seconds=seconds)

    def until_round(self, number: int) -> None:
        """Waits until a round is decided."""
        self.until(lambda: self.status.get("rounds", 0) >= number, f"round {number} is decided")

    def until_ended(
        self, phase: str = "Complete", *, reason: str | None = None, seconds: float = PATIENCE
    ) -> Archive:
        """Waits until it ended as it should and no trainer runs (invariant 7); returns the audited story."""
        ended = ("Complete", "Failed")
        self.until(
            lambda: any(self.condition(kind)["status"] == "True" for kind in ended),
            "it ended",
            seconds=seconds,
        )
        condition = self.condition(phase)
        assert condition["status"] == "True", self.space.diagnosis()
        assert reason in {None, condition["reason"]}, condition
        self.until(lambda: not self.live, "no pod is left running")
        return self.archive()

    @cached_property
    def store(self) -> S3Store:
        """Its location, opened from this machine."""
        return self.space.open(self.until(lambda: self.status.get("location"), "it has a location"))

    @property
    def keys(self) -> set[str]:
        """All keys at its location."""
        return set(self.store.names(""))

    def archive(self) -> Archive:
        """What its records say, which the audit finds nothing wrong with. While it runs they would contradict."""
        found = read_archive(self.store, readers=8)
        wrong = self.space.violations(self.store, found)
        assert not wrong, wrong
        return found

    def check_decided_as(self, expected: Archive, found: Archive) -> None:
        """It decided as another did; to the byte, unless pods ended through nobody's fault and were resumed.

        Raises:
            AssertionError: it didn't, or a birth was neither decided nor follows such a pod.
        """
        disrupted = {pods.member(pod) for pod in self.disrupted}
        others = [b for b in undecided(found) if b.cause is not Cause.RESUME or b.member not in disrupted]
        assert not others, self.account(found)
        assert decisions(found) == decisions(expected), self.account(found)
        assert disrupted or records(found) == records(expected), self.account(found)

    def check_one_pod_each(self, found: Archive) -> None:
        """Each birth had one pod; one more for each that ended through nobody's fault before it took its birth."""
        extra = len(self.history) - len(found.births)
        assert 0 <= extra <= len(self.disrupted), self.account(found)

    def account(self, found: Archive) -> str:
        """Why it has births that no decision asked for, and what became of its pods."""
        lines = [f"birth {b.member}-{b.incarnation}: {b.cause}, {b.reason}" for b in undecided(found)]
        lines += [
            f"pod {pod['metadata']['name']}: {json.dumps(pod['status'])}" for pod in self.history.values()
        ]
        lines += [f"Event {event['reason']}: {event['note']}" for event in self.events]
        return "\n".join([*lines, self.space.diagnosis()])

    @property
    def slots(self) -> int:
        """The most pods that it was ever allowed."""
        bodies = (change.body for change in self.space.populations.changes)
        specs = [body["spec"] for body in bodies if body["metadata"]["uid"] == self.uid]
        return max(min(spec["members"], spec.get("parallelism", spec["members"])) for spec in specs)
