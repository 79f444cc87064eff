"""Of two operators one drives: who holds the lease, when it is free, and what happens where nobody answers."""

import logging
import signal
from copy import deepcopy
from typing import Any

import pytest

from pbt_operator.runners.kubernetes import standby
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, Conflict, Missing, Unreachable, error_of
from pbt_operator.runners.kubernetes.config import LeaseConfig
from pbt_operator.runners.kubernetes.health import Health
from pbt_operator.runners.kubernetes.lease import Lease
from pbt_operator.runners.kubernetes.standby import in_turn

SECONDS = 15
CONFIG = LeaseConfig(namespace="pbt-system", name="pbt-operator", seconds=SECONDS)
PATH = "/apis/coordination.k8s.io/v1/namespaces/pbt-system/leases"


class Leases:
    """What an API server does with one lease; `fails` is raised by the next request."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None
        self.fails: Exception | None = None

    def request(self, method: str, path: str, *, body: Any = None) -> Any:
        if self.fails is not None:
            raise self.fails
        if method == "POST":
            assert path == PATH
            if self.found is not None:
                raise error_of(409, {"reason": "AlreadyExists"})
            return self._keep(body)
        assert path == f"{PATH}/pbt-operator"
        if self.found is None:
            raise error_of(404, {})
        if method == "GET":
            return deepcopy(self.found)
        assert method == "PUT"
        if body["metadata"]["resourceVersion"] != self.found["metadata"]["resourceVersion"]:
            raise error_of(409, {"reason": "Conflict"})
        return self._keep(body)

    def _keep(self, body: Any) -> Any:
        version = int(self.found["metadata"]["resourceVersion"]) + 1 if self.found else 1
        self.found = deepcopy({**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}})
        return deepcopy(self.found)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.found is not None
        return self.found["spec"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(leases, clock) -> tuple[Lease, Lease]:
    return tuple(Lease(leases, CONFIG, identity=name, clock=clock) for name in ("a", "b"))  # type: ignore[return-value]


def test_the_first_one_takes_the_lease_and_the_other_one_sees_it(two, leases):
    a, b = two
    assert (a.seek(), b.seek(), b.holder) == (True, False, "a")
    assert (leases.spec["holderIdentity"], leases.spec["leaseDurationSeconds"]) == ("a", SECONDS)
    assert leases.spec["leaseTransitions"] == 0


def test_a_lease_that_is_renewed_is_never_free_and_one_that_is_not_is_after_its_time(two, leases, clock):
    a, b = two
    assert a.seek()
    for _ in range(20):
        clock.now += SECONDS - 1
        assert a.seek()
        assert not b.seek()
    clock.now += SECONDS - 0.1
    assert not b.seek()
    clock.now += 0.1
    assert b.seek()
    assert not a.seek()
    assert (leases.spec["holderIdentity"], leases.spec["leaseTransitions"]) == ("b", 1)


def test_the_holders_own_duration_counts_and_its_clock_does_not(leases, clock):
    long = Lease(leases, LeaseConfig(namespace="pbt-system", name="pbt-operator", seconds=60), identity="a")
    assert long.seek()
    leases.spec["renewTime"] = "2001-01-01T00:00:00.000000Z"
    b = Lease(leases, CONFIG, identity="b", clock=clock)
    assert not b.seek()
    clock.now += 59
    assert not b.seek()
    clock.now += 1
    assert b.seek()


def test_a_lease_that_was_given_back_is_free_at_once(two, leases):
    a, b = two
    assert a.seek()
    assert not b.seek()
    b.release()
    assert leases.spec["holderIdentity"] == "a"
    a.release()
    assert b.seek()
    a.release()  # it doesn't free what another one holds by now
    assert leases.spec["holderIdentity"] == "b"


def test_of_two_that_find_it_free_at_once_one_gets_it(two, leases, clock, monkeypatch):
    a, b = two
    assert a.seek()
    a.release()
    answer = leases.request

    def first(method: str, path: str, **options: Any) -> Any:
        found = answer(method, path, **options)
        monkeypatch.undo()
        assert b.seek()  # between the look of the other one and its write
        return found

    monkeypatch.setattr(leases, "request", first)
    with pytest.raises(Conflict):
        a.seek()
    assert not a.seek()
    assert leases.spec["holderIdentity"] == "b"


def test_what_others_keep_in_the_lease_stays(two, leases):
    a, _ = two
    a.seek()
    leases.spec["strategy"] = "OldestEmulationVersion"
    leases.found["metadata"]["labels"] = {"own": "label"}
    assert a.seek()
    assert (leases.spec["strategy"], leases.found["metadata"]["labels"]) == (
        "OldestEmulationVersion",
        {"own": "label"},
    )


def test_an_operator_stands_by_alive_and_ready_and_drives_when_it_is_free(two, leases, caplog):
    caplog.set_level(logging.INFO)
    a, b = two
    a.seek()
    health, looks = Health(), []
    answer = leases.request

    def counted(method: str, path: str, **options: Any) -> Any:
        looks.append(health.is_ready)
        if len(looks) == 3:
            leases.spec["holderIdentity"] = ""
        return answer(method, path, **options)

    leases.request = counted
    drove = []
    assert in_turn(b, seconds=0.01, health=health, drive=lambda: drove.append(leases.spec["holderIdentity"]))
    assert looks[:3] == [False, True, True]
    assert drove == ["b"]
    assert leases.spec["holderIdentity"] == ""
    assert [r.message for r in caplog.records if "stands by" in r.message] == ["stands by: a holds the lease"]


def test_one_that_is_told_to_end_while_it_stands_by_ends_and_never_drives(two, leases):
    a, b = two
    a.seek()
    answer = leases.request

    def told(method: str, path: str, **options: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return answer(method, path, **options)

    leases.request = told
    before = signal.getsignal(signal.SIGTERM)
    assert in_turn(b, seconds=1000, health=Health(), drive=lambda: pytest.fail("it drove"))
    assert signal.getsignal(signal.SIGTERM) is before
    assert leases.spec["holderIdentity"] == "a"


@pytest.mark.parametrize(
    "error", [Unreachable(OSError("cut")), ApiRefused("forbidden", quota=False, status=403)]
)
def test_who_holds_it_drives_on_where_nobody_answers(leases, error, monkeypatch):
    lease = Lease(leases, CONFIG, identity="a")
    ended: list[int] = []
    monkeypatch.setattr(standby.os, "kill", lambda _, number: ended.append(number))
    tried: list[None] = []
    answer = leases.request

    def cut(*arguments: Any, **options: Any) -> Any:
        tried.append(None)
        if len(tried) > 2:  # it looked, and took the lease
            raise error
        return answer(*arguments, **options)

    leases.request = cut

    def drive() -> None:
        while len(tried) < 8:
            standby.Event().wait(0.005)

    assert in_turn(lease, seconds=0.01, health=Health(), drive=drive)
    assert ended == []


def test_who_sees_that_another_one_drives_ends(leases, monkeypatch, caplog):
    lease, ending = Lease(leases, CONFIG, identity="a"), standby.Event()
    monkeypatch.setattr(standby.os, "kill", lambda _, number: number == signal.SIGTERM and ending.set())

    def drive() -> None:
        leases.spec["holderIdentity"] = "b"
        assert ending.wait(60)

    assert not in_turn(lease, seconds=0.01, health=Health(), drive=drive)
    assert leases.spec["holderIdentity"] == "b"
    assert "ends: b holds the lease" in caplog.text


def test_one_that_finds_no_lease_and_may_not_make_one_says_so_and_looks_again(leases, caplog):
    refusals = [
        ApiRefused("leases is forbidden", quota=False, status=403),
        Missing("no such namespace", status=404),
    ]
    lease = Lease(leases, CONFIG, identity="a")
    answer = leases.request

    def refused(method: str, path: str, **options: Any) -> Any:
        if method == "POST" and refusals:
            raise refusals.pop()
        return answer(method, path, **options)

    leases.request = refused
    drove = []
    assert in_turn(lease, seconds=0.01, health=Health(), drive=lambda: drove.append(True))
    assert drove
    told = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 2
    assert "can't read or write the lease: " in told[1]
    assert "leases is forbidden" in told[1]
