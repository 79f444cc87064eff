"""Pods of a cluster whose watch lags behind: what was asked for and isn't shown yet, and what is gone already."""

import pytest

from pbt_operator.control.pods import Phase
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS, SETTLED
from pbt_operator.runners.kubernetes.start_words import waiting_among
from pbt_operator.runners.kubernetes.unseen_pods import ASK_SECONDS
from support.lagging import GRACE_SECONDS, Server, birth, pods_of, run_one

KUEUE = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvictedDueToPreempted"}


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pods(server):
    return pods_of(server)


def test_a_pod_that_the_watch_does_not_show_yet_holds_its_slot(server, pods):
    pods.refresh(server.seen)
    pods.start(birth())
    for _ in range(3):
        pods.refresh(server.seen)
        (found,) = pods.observe()
        assert (found.name, found.phase) == ("digits-0-1", Phase.PENDING)
        pods.start(birth())
    assert server.requests == [("create", "digits-0-1")]
    assert pods.num_unseen == 1
    server.show()
    pods.refresh(server.seen)
    assert (pods.num_unseen, len(pods.observe())) == (0, 1)


def test_a_pod_that_another_operator_created_is_not_created_twice(server, pods):
    pods_of(server).start(birth())
    pods.start(birth())
    assert pods.refusal is None
    assert pods.observe() == []
    server.show()
    pods.refresh(server.seen)
    assert [pod.uid for pod in pods.observe()] == ["uid-1"]


@pytest.mark.parametrize("quota", [True, False])
def test_a_refusal_is_kept_until_a_pod_is_taken(server, pods, quota):
    server.refusing = ApiRefused("no", quota=quota)
    pods.start(birth())
    assert pods.refusal is server.refusing
    assert pods.observe() == []
    server.refusing = None
    pods.start(birth())
    assert pods.refusal is None
    assert len(pods.observe()) == 1


def test_an_api_server_that_is_away_is_the_callers_concern(server, pods):
    server.refusing = ApiUnavailable("away")
    with pytest.raises(ApiUnavailable):
        pods.start(birth())
    assert (pods.refusal, pods.observe()) == (None, [])


def test_a_stopped_pod_that_is_gone_is_shown_once_as_ended(server, pods):
    uid = run_one(server, pods)
    (found,) = pods.observe()
    pods.stop(found)
    pods.stop(found)
    assert server.requests.count(("delete", "digits-0-1")) == 1
    (found,) = pods.observe()
    assert (found.phase, found.stopping) == (Phase.RUNNING, True)
    server.end(uid, 143)
    server.show()
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.uid, found.phase, found.stopping) == (uid, Phase.ENDED, True)
    pods.forget(found)
    pods.forget(found)
    assert pods.observe() == []
    pods.refresh(server.seen)
    assert pods.observe() == []


def test_a_stopped_pod_that_never_had_a_node_is_shown_as_ended(server, pods):
    pods.start(birth())
    (found,) = pods.observe()
    pods.stop(found)
    (found,) = pods.observe()
    assert (found.phase, found.stopping) == (Phase.PENDING, True)
    server.now += ASK_SECONDS
    server.show()
    pods.refresh(server.seen)
    assert [pod.phase for pod in pods.observe()] == [Phase.ENDED]


def test_the_exit_code_of_a_stopped_pod_is_seen_if_the_watch_shows_it(server, pods):
    uid = run_one(server, pods)
    pods.stop(pods.observe()[0])
    server.end(uid, 137)
    server.show(server.lag - 1)
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.phase, found.exit_code, found.stopping) == (Phase.ENDED, 137, True)
    pods.forget(found)
    pods.refresh(server.seen)
    assert pods.observe() == []
    assert server.requests == [("create", "digits-0-1"), ("delete", "digits-0-1")]


@pytest.mark.parametrize("is_shown", [False, True])
def test_an_evicted_pod_that_is_gone_is_shown_once_as_ended_through_nobodys_fault(server, pods, is_shown):
    """Kueue lets go of a pod as it deletes it, so that it is gone as soon as its trainer has ended."""
    uid = run_one(server, pods)
    server.evict(uid, KUEUE)
    server.show()
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.phase, found.stopping) == (Phase.RUNNING, True)
    server.end(uid, 143)
    server.show(server.lag - is_shown)
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.phase, found.disrupted) == (Phase.ENDED, True)
    pods.forget(found)
    server.show()
    pods.refresh(server.seen)
    assert pods.observe() == []
    assert server.requests == [("create", "digits-0-1"), ("delete", "")]


def test_a_pod_that_somebody_deletes_and_says_nothing_is_just_gone(server, pods):
    uid = run_one(server, pods)
    server.delete_pod("team", "digits-0-1", uid=uid)
    server.show()
    pods.refresh(server.seen)
    server.end(uid, 143)
    server.show()
    pods.refresh(server.seen)
    assert pods.observe() == []


def test_one_settled_pod_of_each_member_stays_for_its_logs(server, pods):
    for incarnation in (1, 2, 3):
        for member in (0, 1):
            uid = run_one(server, pods, birth(member, incarnation))
            server.end(uid, 1)
            server.show()
            pods.refresh(server.seen)
            (ended,) = pods.observe()
            pods.forget(ended)
            assert pods.observe() == []
            server.show()
            pods.refresh(server.seen)
            assert pods.observe() == []
    names = sorted(pod["metadata"]["name"] for pod in server.pods.values())
    assert names == ["digits-0-3", "digits-1-3"]
    assert all(pod["metadata"]["labels"][SETTLED] == "true" for pod in server.pods.values())


def test_a_settled_pod_is_not_shown_again_by_another_operator(server, pods):
    uid = run_one(server, pods)
    server.end(uid, 1)
    server.show()
    pods.refresh(server.seen)
    pods.forget(pods.observe()[0])
    server.show()
    other = pods_of(server)
    other.refresh(server.seen)
    assert other.observe() == []


def test_forgetting_a_pod_leaves_the_next_one_of_its_member_alone(server, pods):
    """Another operator was quicker, say."""
    first = run_one(server, pods, birth(0, 1))
    run_one(server, pods, birth(0, 2))
    server.end(first, 1)
    server.show()
    pods.refresh(server.seen)
    (ended,) = [pod for pod in pods.observe() if pod.ended]
    pods.forget(ended)
    server.show()
    pods.refresh(server.seen)
    assert [pod.incarnation for pod in pods.observe()] == [2]
    assert ("delete", "digits-0-2") not in server.requests


def test_a_settled_pod_gives_its_name_to_the_same_birth(server, pods):
    """It ended before it took its birth, so the same pod is to start again."""
    uid = run_one(server, pods)
    server.end(uid, 81)
    server.show()
    pods.refresh(server.seen)
    pods.forget(pods.observe()[0])
    for _ in range(3):
        server.show()
        pods.refresh(server.seen)
        pods.start(birth())
    (pod,) = server.pods.values()
    assert pod["metadata"]["uid"] != uid
    assert [request for request, _ in server.requests] == ["create", "label", "delete", "create"]


@pytest.mark.parametrize(("sidecar", "request_"), [("running", "delete"), ("terminated", "label")])
def test_a_pod_whose_sidecar_runs_on_is_deleted_and_any_other_is_kept(server, pods, sidecar, request_):
    """The phase is Running for a moment after the last container has ended."""
    uid = run_one(server, pods)
    server.tell(uid, "Running", {"terminated": {"exitCode": 0}}, proxy={sidecar: {}})
    server.show()
    pods.refresh(server.seen)
    pods.forget(pods.observe()[0])
    assert server.requests[-1] == (request_, "digits-0-1")
    server.show()
    pods.refresh(server.seen)
    assert pods.observe() == []


def test_a_deleted_pod_whose_sidecar_runs_on_is_not_deleted_again(server, pods):
    uid = run_one(server, pods)
    server.delete_pod("team", "digits-0-1", uid=uid)
    server.tell(uid, "Running", {"terminated": {"exitCode": 0}})
    server.show()
    pods.refresh(server.seen)
    pods.forget(pods.observe()[0])
    assert server.requests == [("create", "digits-0-1"), ("delete", "digits-0-1")]


def test_a_pod_on_a_lost_node_ends_without_fault_and_is_removed_by_force(server, pods):
    run_one(server, pods)
    server.delete_pod("team", "digits-0-1", uid="uid-1")
    server.show()
    pods.refresh(server.seen)
    assert pods.observe()[0].phase is Phase.RUNNING
    server.now += GRACE_SECONDS + LOST_AFTER_SECONDS + 1
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.phase, found.disrupted) == (Phase.ENDED, True)
    pods.forget(found)
    assert server.requests[-1] == ("kill", "digits-0-1")
    assert server.pods == {}
    assert pods.observe() == []


def test_what_does_not_run_says_why(server, pods):
    uid = run_one(server, pods)
    assert waiting_among(pods.observe()) == []
    server.tell(uid, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    server.show()
    pods.refresh(server.seen)
    assert [pod.message for pod in waiting_among(pods.observe())] == ["ImagePullBackOff: no such image"]


def test_a_pod_whose_creation_was_never_answered_holds_its_slot(server, pods):
    """It may be there: nobody else's birth may be written before the watch shows it."""
    create = server.create_pod

    def lost(namespace, body):
        create(namespace, body)
        raise ApiUnavailable("the answer is lost")

    server.create_pod = lost
    with pytest.raises(ApiUnavailable):
        pods.start(birth())
    pods.refresh(server.seen)
    (found,) = pods.observe()
    assert (found.name, found.uid) == ("digits-0-1", "uid-1")


def test_a_second_look_shows_what_the_watch_does_not(server, pods):
    run_one(server, pods)
    late = pods_of(server)
    late.refresh({})  # its watch shows nothing yet
    assert late.observe() == []
    assert [pod.uid for pod in late.look_again()] == ["uid-1"]
    assert [pod.uid for pod in late.observe()] == ["uid-1"]


def test_a_second_look_shows_the_end_that_the_watch_does_not_and_it_is_accounted_for_once(server):
    pods_of(server).start(birth())
    server.tell("uid-1", "Running", {"running": {}})
    server.end("uid-1", 1)
    late = pods_of(server)
    late.refresh({})
    (found,) = late.look_again()
    assert (found.phase, found.exit_code) == (Phase.ENDED, 1)

    late.forget(found)
    assert SETTLED in server.pods["uid-1"]["metadata"]["labels"]
    while server.lag:  # it is shown as Pending, Running, Failed and settled
        server.show(1)
        late.refresh(server.seen)
        assert late.observe() == []
    late.start(birth())
    assert server.pods == {}, "the pod of that name makes room"
    server.show()
    late.refresh(server.seen)
    late.start(birth())
    assert [pod.uid for pod in late.observe()] == ["uid-2"]


def test_what_still_runs_beside_a_trainer_whose_end_the_watch_does_not_show_is_stopped(server):
    pods_of(server).start(birth())
    server.tell("uid-1", "Running", {"terminated": {"exitCode": 1}}, logger={"running": {}})
    late = pods_of(server)
    late.refresh({})
    late.forget(late.look_again()[0])
    assert server.requests[-1] == ("delete", "digits-0-1")
