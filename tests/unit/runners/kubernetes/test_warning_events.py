"""What Events say of pods that say nothing by themselves, and how seldom that is asked."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.pod_troubles import NAMED
from pbt_operator.runners.kubernetes.warning_events import (
    APART_SECONDS,
    RECENT_SECONDS,
    SILENT_SECONDS,
    WarningEvents,
)

SILENT = Pod("x-0-1", "u", 0, 1, Phase.PENDING, placed_for=SILENT_SECONDS)
MISSING = 'MountVolume.SetUp failed for volume "data" : configmap "data" not found'
START = 1_000_000.0


class Server:
    """Events, and how often somebody asked for them."""

    def __init__(self) -> None:
        self.now, self.asked = START, 0
        self.found: list[dict[str, Any]] = []
        self.fault: Exception | None = None

    def pod_warnings(self, namespace: str, *, most: int) -> list[dict[str, Any]]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.found[:most]

    def happens(self, reason: str, message: str, *, uid: str = "u", ago: float = 0.0) -> None:
        at = datetime.fromtimestamp(self.now - ago, UTC).isoformat()
        self.found.append(
            {"reason": reason, "message": message, "lastTimestamp": at, "involvedObject": {"uid": uid}}
        )


@pytest.fixture
def server() -> Server:
    return Server()


def events(server: Server, *, reads: bool = True) -> WarningEvents:
    return WarningEvents(cast("Api", server), namespace="team", now=lambda: server.now, reads=reads)


def test_a_volume_whose_configmap_is_missing_is_named_and_counts_as_wrong(server):
    server.happens("FailedMount", "an older one", ago=100)
    server.happens("FailedMount", MISSING)
    server.happens("FailedMount", "another pod's", uid="v")
    found = events(server)
    found.look([SILENT])
    told = found.explained(SILENT)
    assert (told.message, told.remedy, told.stuck) == (f"FailedMount: {MISSING}", NAMED, True)
    other = replace(SILENT, uid="w", name="x-1-1")
    assert found.explained(other) == other


def test_what_may_pass_is_told_and_does_not_count_as_wrong(server):
    server.happens("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (registry)")
    found = events(server)
    found.look([SILENT])
    told = found.explained(SILENT)
    assert (told.stuck, told.remedy) == (False, "see kubectl describe pod x-0-1")


@pytest.mark.parametrize(
    "pod",
    [
        replace(SILENT, placed_for=SILENT_SECONDS - 1),
        replace(SILENT, placed_for=None),
        replace(SILENT, message="ImagePullBackOff: no such image"),
        replace(SILENT, phase=Phase.RUNNING),
        replace(SILENT, stopping=True),
    ],
)
def test_nobody_asks_while_every_pod_says_by_itself_how_it_is(server, pod):
    found = events(server)
    found.look([pod])
    assert (server.asked, found.explained(pod)) == (0, pod)


def test_one_list_a_minute_is_enough_for_all(server):
    found = events(server)
    for second in range(int(2 * APART_SECONDS)):
        server.now = START + second
        found.look([SILENT, replace(SILENT, uid="v")])
    assert server.asked == 2


def test_what_happened_long_ago_and_was_not_repeated_is_over(server):
    server.happens("FailedMount", MISSING)
    found = events(server)
    found.look([SILENT])
    server.now += RECENT_SECONDS + 1
    assert found.explained(SILENT) == SILENT


def test_an_api_server_that_is_away_costs_no_pass_and_one_that_refuses_is_asked_once(server):
    found = events(server)
    for fault, asked in ((ApiUnavailable("away"), 2), (ApiRefused("forbidden", quota=False), 3)):
        server.fault = fault
        for _ in range(2):
            server.now += APART_SECONDS
            found.look([SILENT])
        assert server.asked == asked
    events(server, reads=False).look([SILENT])
    assert server.asked == 3
