"""Pods that the watch doesn't show: believed in for seconds, then asked for by name, a few at a time."""

import pytest

from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.unseen_pods import ASK_SECONDS, MOST_ASKED, UNSEEN_SECONDS
from support.lagging import Server, birth, pods_of


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pods(server):
    return pods_of(server)


def uids(pods: ClusterPods) -> list[str]:
    return [pod.uid for pod in pods.observe()]


def asked(server: Server) -> list[str]:
    return [name for kind, name in server.requests if kind == "get"]


def later(server: Server, pods: ClusterPods, seconds: float) -> None:
    """The next pass begins, and the watch still shows what it did."""
    server.now += seconds
    pods.refresh(server.seen)


def create_and_delete(server: Server, pods: ClusterPods) -> None:
    """It comes and goes between two looks of the watch."""
    pods.start(birth())
    server.delete_pod("team", "digits-0-1", uid="uid-1")


def test_a_pod_that_came_and_went_unseen_blocks_its_member_for_seconds_only(server, pods):
    create_and_delete(server, pods)
    later(server, pods, ASK_SECONDS - 1)
    assert (uids(pods), asked(server)) == (["uid-1"], [])
    later(server, pods, 1)
    assert (uids(pods), pods.num_unseen) == ([], 0)
    pods.start(birth())
    assert uids(pods) == ["uid-2"]


def test_a_pod_that_is_there_is_believed_in_for_as_long_as_it_is(server, pods):
    pods.start(birth())
    for _ in range(60):
        later(server, pods, ASK_SECONDS)
        assert uids(pods) == ["uid-1"]
    assert len(asked(server)) == 60
    server.delete_pod("team", "digits-0-1", uid="uid-1")
    later(server, pods, ASK_SECONDS)
    assert uids(pods) == []


def test_passes_that_follow_each_other_ask_once(server, pods):
    pods.start(birth())
    server.now += ASK_SECONDS
    for _ in range(5):
        later(server, pods, 0.1)
    assert asked(server) == ["digits-0-1"]


def test_one_that_the_watch_shows_is_not_asked_for(server, pods):
    pods.start(birth())
    server.show()
    later(server, pods, ASK_SECONDS)
    assert (uids(pods), asked(server)) == (["uid-1"], [])


def test_another_pod_of_its_name_is_not_it(server, pods):
    """The pod of another operator, which was quicker."""
    create_and_delete(server, pods)
    pods_of(server).start(birth())
    later(server, pods, ASK_SECONDS)
    assert uids(pods) == []
    server.show()
    later(server, pods, 0)
    assert uids(pods) == ["uid-2"]


def test_a_watch_that_shows_late_what_is_gone_shows_no_pod(server, pods):
    """Else its member would seem to have two."""
    create_and_delete(server, pods)
    later(server, pods, ASK_SECONDS)
    pods.start(birth())
    while server.lag:
        server.show(1)
        later(server, pods, 0)
        assert uids(pods) == ["uid-2"]
    assert asked(server) == ["digits-0-1"]


def test_few_are_asked_for_in_a_pass_and_each_in_its_turn(server, pods):
    for member in range(MOST_ASKED + 3):
        pods.start(birth(member))
    server.now += ASK_SECONDS
    later(server, pods, 0)
    assert len(asked(server)) == MOST_ASKED
    later(server, pods, 0)
    assert len(set(asked(server))) == len(asked(server)) == MOST_ASKED + 3


@pytest.mark.parametrize("away", [ApiUnavailable("away"), ApiRefused("may not", quota=False, status=403)])
def test_while_nobody_answers_it_is_believed_in_for_two_minutes(server, pods, away):
    """The API server is away, or a role of somebody's own doesn't grant `get`."""
    for member in (0, 1):
        pods.start(birth(member))
    server.away = away
    later(server, pods, ASK_SECONDS)
    assert len(asked(server)) == 1  # the other would fare no better
    assert len(uids(pods)) == 2
    later(server, pods, UNSEEN_SECONDS - ASK_SECONDS)
    assert uids(pods) == []
