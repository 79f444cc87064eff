"""What the Populations of a namespace may take of the operator's memory: one tenant can't fill it for all."""

from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC
from pbt_contract import keys
from pbt_operator.runners.kubernetes import store_clients
from pbt_operator.runners.kubernetes.admission import examine
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.faults import LONGEST_WAIT_SECONDS
from pbt_operator.runners.kubernetes.memory_shares import MemoryShares
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_template import Owner
from simulation.memory_store import MemoryStore

LARGEST = {
    "members": 10_000,
    "hyperparameters": [{"name": f"h{number}", "uniform": {"min": 0.0, "max": 1.0}} for number in range(64)],
}
SMALL = {"members": 4}


class Api:
    """Takes everything and shows nothing; keeps the newest status."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}

    def patch_status(self, namespace: str, name: str, status: Any) -> Any:
        self.status |= {key: value for key, value in status.items() if value is not None}
        return {"status": self.status, "metadata": {"resourceVersion": "2"}}

    def pods_of(self, namespace: str, *, selector: str) -> list[Any]:
        return []

    def __getattr__(self, verb: str) -> Any:
        return lambda *_, **__: None


class Tenant:
    """One Population and its controller, at a store of its own."""

    def __init__(self, operator: "Operator", name: str, namespace: str, spec: dict[str, Any]) -> None:
        self.operator, self.api, self.store = operator, Api(), MemoryStore()
        self.owner = Owner(name=name, namespace=namespace, uid=f"{name:0>8}-0000-4000-8000-000000000000")
        metadata = {"name": name, "namespace": namespace, "uid": self.owner.uid, "resourceVersion": "1"}
        template = {"spec": {"containers": [{"name": "trainer", "image": "x"}]}}
        self.body: dict[str, Any] = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {**metadata, "generation": 1},
            "spec": {**DETERMINISTIC, "suspend": True, "template": template, **spec},
            "status": {},
        }
        self.controller = operator.controller(self)

    def reconcile(self, passes: int = 3) -> "Tenant":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_clients, "open_location", lambda *_: self.store)
            patch.setattr(store_clients, "siblings", lambda *_, **__: [])
            for _ in range(passes):
                self.controller.reconcile(self.body, {})
                self.body["status"] = dict(self.api.status)
        return self

    def asks_for(self, **spec: Any) -> "Tenant":
        self.body["spec"] |= spec
        self.body["metadata"]["generation"] += 1
        return self

    @property
    def accepted(self) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.api.status["conditions"] if c["type"] == "Accepted")
        return found

    @property
    def births(self) -> int:
        return len(list(self.store.names(keys.BIRTHS)))


class Operator:
    """What the controllers of one process share."""

    def __init__(self, megabytes: int = 200) -> None:
        self.now = 0.0
        self.config = OperatorConfig.model_validate(
            {"stores": [{"name": "default", "bucket": "experiments"}], "namespaceMegabytes": megabytes}
        )
        self.shares = MemoryShares(self.config.namespace_megabytes)

    def controller(self, tenant: Tenant) -> Controller:
        return Controller(
            tenant.owner,
            api=tenant.api,  # type: ignore[arg-type]
            config=self.config,
            recorder=EventRecorder(lambda *_: None, instance="operator-0"),
            metrics=Metrics(),
            shares=self.shares,
            clock=lambda: self.now,
        )

    def restarts(self, *tenants: Tenant) -> None:
        self.shares = MemoryShares(self.config.namespace_megabytes)
        for tenant in tenants:
            tenant.controller = self.controller(tenant)


def test_of_fifty_of_the_largest_size_one_is_driven_and_an_honest_one_beside_them() -> None:
    operator = Operator()
    greedy = [Tenant(operator, f"p{number}", "greedy", LARGEST) for number in range(50)]
    operator.shares.take(greedy[0].owner, examine(greedy[0].body), is_in_force=False)
    for one in greedy[1:]:
        one.reconcile(1)
        assert (one.accepted["status"], one.accepted["reason"]) == ("False", "NamespaceFull")
        assert list(one.store.names("")) == []
    assert "needs 186 MB of the operator's memory" in greedy[1].accepted["message"]
    assert "takes 186 MB of 200 MB" in greedy[1].accepted["message"]
    assert "namespaceMegabytes" in greedy[1].accepted["message"]
    honest = Tenant(operator, "honest", "honest", SMALL).reconcile()
    assert honest.accepted["status"] == "True"
    assert honest.births == 4


def test_long_texts_count() -> None:
    texts = [{"name": f"h{n}", "choice": {"values": ["x" * 256, "y"]}} for n in range(64)]
    one = Tenant(Operator(), "texts", "team", LARGEST | {"hyperparameters": texts}).reconcile(1)
    assert one.accepted["reason"] == "NamespaceFull"
    assert "needs 514 MB" in one.accepted["message"]


def test_who_waits_is_driven_once_another_one_is_gone() -> None:
    operator = Operator(megabytes=1)
    first = Tenant(operator, "first", "team", {"members": 60}).reconcile()
    second = Tenant(operator, "second", "team", {"members": 60}).reconcile()
    assert (first.births, second.births) == (60, 0)
    operator.shares.give_back(first.owner)
    second.reconcile()
    assert second.births == 0  # it isn't asked for at each pass
    operator.now += LONGEST_WAIT_SECONDS
    assert second.reconcile().births == 60
    assert second.accepted["status"] == "True"


def test_one_that_is_driven_is_not_made_larger_than_there_is_room_and_goes_on_as_it_was() -> None:
    operator = Operator(megabytes=1)
    one = Tenant(operator, "one", "team", {"members": 60}).reconcile()
    one.asks_for(members=200).reconcile()
    assert (one.accepted["reason"], one.births) == ("NamespaceFull", 60)
    one.asks_for(members=80).reconcile()
    assert (one.accepted["status"], one.births) == ("True", 80)
    operator.restarts(one)
    one.asks_for(members=200).reconcile()
    assert (one.accepted["reason"], one.births) == ("NamespaceFull", 80)
    assert one.controller.session is not None  # by the spec that was in force


def test_after_a_restart_those_that_were_driven_are_and_those_that_waited_wait() -> None:
    operator = Operator(megabytes=1)
    first = Tenant(operator, "first", "team", {"members": 60}).reconcile()
    second = Tenant(operator, "second", "team", {"members": 60}).reconcile()
    operator.restarts(first, second)
    first.reconcile()
    second.reconcile()
    assert first.controller.session is not None
    assert second.controller.session is None
    operator.restarts(second, first)
    second.reconcile()  # it comes first now, and takes the room
    assert first.reconcile().controller.session is not None  # an operator accepted it: nobody throws it out
