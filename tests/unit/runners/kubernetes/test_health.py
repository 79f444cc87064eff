"""Liveness is what the operator does: silent watches, stuck loops and stuck passes end it, a lost store doesn't."""

import http.client
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from pbt_contract.errors import StoreUnavailable
from pbt_operator.runners.kubernetes.health import Health, HealthServer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def lists(health: Health, clock: Clock, versions: dict[str, int], *, seconds: int) -> None:
    """The loop turns and lists, every half minute, while the watch is silent."""
    for _ in range(seconds // 30):
        clock.now += 30
        health.beat()
        health.listed("pods", versions)


def test_a_loop_that_does_not_turn_is_no_life(health, clock):
    clock.now += 60
    assert health.faults() == []
    clock.now += 1
    assert health.faults() == ["the event loop has not turned for 61 s"]
    health.beat()
    assert health.faults() == []


def test_a_watch_that_shows_all_is_alive_however_long_nothing_happens(health, clock):
    health.saw("pods", "a", 7)
    lists(health, clock, {"a": 7}, seconds=3600)
    assert health.faults() == []


def test_a_watch_that_is_wrongly_silent_about_a_change_is_no_life(health, clock):
    health.saw("pods", "a", 7)
    lists(health, clock, {"a": 8}, seconds=120)
    assert health.faults() == []
    lists(health, clock, {"a": 9}, seconds=60)
    assert health.faults() == ["the watch of pods has not shown version 8 of a for 150 s"]


def test_a_watch_that_is_wrongly_silent_about_a_new_object_is_no_life(health, clock):
    lists(health, clock, {"a": 1}, seconds=180)
    assert len(health.faults()) == 1


def test_a_watch_that_is_wrongly_silent_about_a_deletion_is_no_life(health, clock):
    health.saw("pods", "a", 7)
    lists(health, clock, {}, seconds=180)
    assert health.faults() == ["the watch of pods has not shown the deletion of a for 150 s"]
    health.saw("pods", "a", 9, deleted=True)
    assert health.faults() == []


def test_a_watch_that_is_only_late_is_alive(health, clock):
    """An object that changes all the time: each list is ahead of the watch, which follows."""
    for version in range(100):
        lists(health, clock, {"a": version + 1}, seconds=30)
        health.saw("pods", "a", version)
    assert health.faults() == []


def test_an_api_server_that_is_away_is_no_reason_to_restart(health, clock):
    """No further list is answered either, so nothing says that the watch is more than late."""
    health.listed("pods", {"a": 5})
    for _ in range(20):
        clock.now += 30
        health.beat()
    assert health.faults() == []


def test_one_kind_is_no_proof_for_another(health, clock):
    health.listed("populations", {"a": 5})
    lists(health, clock, {"a": 5}, seconds=600)
    health.saw("pods", "a", 5)
    assert health.faults() == []


def test_a_list_that_was_taken_before_an_object_was_made_is_no_deletion(health, clock):
    health.saw("pods", "new", 3)
    health.listed("pods", {})
    lists(health, clock, {"new": 3}, seconds=600)
    assert health.faults() == []


def test_a_list_that_was_taken_before_an_object_was_deleted_is_no_creation(health, clock):
    health.saw("pods", "old", 3)
    health.saw("pods", "old", 4, deleted=True)
    health.listed("pods", {"old": 3})
    lists(health, clock, {}, seconds=600)
    assert health.faults() == []


def test_what_was_deleted_before_the_watch_showed_it_is_not_waited_for(health, clock):
    health.listed("pods", {"a": 5})
    lists(health, clock, {}, seconds=600)
    assert health.faults() == []


def test_a_pass_that_does_not_end_is_no_life(health, clock):
    with health.during("research/digits"):
        clock.now += 601
        health.beat()
        assert health.faults() == ["a pass of research/digits has been running for 601 s"]
    assert health.faults() == []


def test_passes_that_do_not_end_are_no_life_once_no_thread_is_left_for_others(clock, caplog):
    health = Health(clock=clock, workers=2)
    with health.during("research/digits"):
        clock.now += 601
        health.beat()
        assert health.faults() == []
        assert "a pass of research/digits has been running for 601 s" in caplog.text
        with health.during("research/letters"):
            clock.now += 601
            health.beat()
            assert len(health.faults()) == 2


def test_a_store_that_is_down_is_no_reason_to_restart(health, clock):
    def fail() -> None:
        with health.during("research/digits"):
            clock.now += 30
            raise StoreUnavailable("no route")

    for _ in range(100):
        with pytest.raises(StoreUnavailable):
            fail()
        health.beat()
    assert health.faults() == []


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    Gauge("pbt_test", "a test", registry=registry).set(3)
    server = HealthServer.open(0, health=health, registry=registry, host="127.0.0.1")
    yield server
    server.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_healthz_says_why(server, clock):
    assert get(server, "/healthz") == (200, "ok\n")
    clock.now += 61
    assert get(server, "/healthz") == (503, "the event loop has not turned for 61 s\n")


def test_readyz_waits_for_the_first_list(server, health):
    assert get(server, "/readyz")[0] == 503
    health.become_ready()
    assert get(server, "/readyz") == (200, "ok\n")


def test_metrics_are_served_and_nothing_else_is(server):
    status, body = get(server, "/metrics")
    assert status == 200
    assert "pbt_test 3.0" in body
    assert get(server, "/")[0] == 404


def test_by_default_it_is_reached_by_both_families(health):
    server = HealthServer.open(0, health=health, registry=CollectorRegistry())
    try:
        assert get(server, "/healthz")[0] == 200
    finally:
        server.close()
