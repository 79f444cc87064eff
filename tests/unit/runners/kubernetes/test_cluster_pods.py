"""Pods of a cluster whose watch lags behind: what was asked for and isn't shown yet, and what is gone already."""

import json

import pytest

from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Birth
from pbt_operator.control.pods import Phase
from pbt_operator.manifest.population_spec import MAX_MEMBERS, MAX_NAME
from pbt_operator.runners.kubernetes import cluster_pods
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS, SETTLED
from pbt_operator.runners.kubernetes.unseen_pods import ASK_SECONDS
from support.lagging import GRACE_SECONDS, RUNNING, Server, birth, pods_of

KUEUE = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvictedDueToPreempted"}


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pods(server):
    return pods_of(server)


def run_one(server: Server, pods: ClusterPods, which: Birth | None = None) -> str:
    """Starts a pod, which runs and is seen; returns its uid."""
    pods.start(which or birth())
    uid = list(server.pods)[-1]
    server.tell(uid, "Running", RUNNING)
    server.show()
    pods.refresh(server.seen)
    return uid


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
    assert pods.waiting() == []
    server.tell(uid, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    server.show()
    pods.refresh(server.seen)
    assert [pod.message for pod in pods.waiting()] == ["ImagePullBackOff: no such image"]


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


def test_requests_of_a_block_are_made_at_its_end_and_all_together(server, pods):
    pods.refresh(server.seen)
    with pods.at_once(4):
        for member in range(20):
            pods.start(birth(member=member))
        assert server.requests == []
    assert len(server.requests) == len(pods.observe()) == 20
    server.show()
    pods.refresh(server.seen)
    with pods.at_once(4):
        for pod in pods.observe():
            pods.stop(pod)
    assert all(pod.stopping for pod in pods.observe())


def test_what_a_pass_has_asked_for_is_done_though_the_pass_fails(server, pods):

    def fails():
        with pods.at_once(4):
            pods.start(birth())
            raise StoreUnavailable("the store is away")

    with pytest.raises(StoreUnavailable):
        fails()
    assert len(pods.observe()) == 1


def test_one_of_many_that_is_in_doubt_is_looked_for(server, pods):
    """Its answer is lost, those of the others are not."""
    create = server.create_pod

    def create_pod(namespace, body, **options):
        made = create(namespace, body, **options)
        if body["metadata"]["name"] == "digits-3-1":
            raise ApiUnavailable("the answer is lost")
        return made

    server.create_pod = create_pod

    def start_all():
        with pods.at_once(4):
            for member in range(8):
                pods.start(birth(member=member))

    with pytest.raises(ApiUnavailable):
        start_all()
    assert len(pods.observe()) == 7
    pods.refresh(server.seen)
    assert len(pods.observe()) == 8


def test_what_is_too_much_for_a_pass_is_left_to_the_next(server, pods, monkeypatch):
    """Creations go first: a member that has no pod waits for it, one that has a pod trains."""
    monkeypatch.setattr(cluster_pods, "MOST_CHANGES", 5)
    pods.refresh(server.seen)
    wanted = [birth(member=member) for member in range(8)]

    def passes():
        with pods.at_once(1):
            for pod in pods.observe():
                if pod.member < 3:
                    pods.stop(pod)
            for each in wanted:
                pods.start(each)
        return len(server.requests), pods.num_left

    assert passes() == (5, 3)
    server.show()
    pods.refresh(server.seen)
    assert passes() == (10, 1)
    assert [kind for kind, _ in server.requests] == ["create"] * 8 + ["delete"] * 2


def test_few_pods_are_deleted_in_a_pass(server, pods):
    """What a deletion makes room for waits for those of the same pass; of many that go, an eighth goes at once."""
    wanted = [birth(member=member) for member in range(400)]
    pods.refresh(server.seen)
    while True:
        with pods.at_once(1):
            for each in wanted:
                pods.start(each)
        server.show()
        pods.refresh(server.seen)
        if not pods.num_left:
            break
    left = []
    for _ in range(6):
        before = len(server.requests)
        with pods.at_once(1):
            for pod in pods.observe():
                pods.stop(pod)
        left.append((len(server.requests) - before, pods.num_left))
    assert left[:2] == [(50, 350), (43, 307)]
    assert left[4:] == [(32, 204), (32, 172)]


def test_while_a_lost_pod_is_not_removed_nobody_takes_its_slot(server, pods):
    run_one(server, pods)
    (lost,) = pods.observe()
    server.refusing = None
    delete = server.delete_pod

    def away(*_, **__):
        raise ApiUnavailable("away")

    def passes():
        with pods.at_once(1):
            pods.forget(pods.observe()[0])
            pods.start(birth(member=1))

    pods.stop(lost)
    server.now += GRACE_SECONDS + LOST_AFTER_SECONDS + 1
    server.show()
    pods.refresh(server.seen)
    server.delete_pod = away
    with pytest.raises(ApiUnavailable):
        passes()
    assert ("create", "digits-1-1") not in server.requests
    server.delete_pod = delete
    passes()
    assert ("create", "digits-1-1") in server.requests


def lives(pods: ClusterPods) -> list[tuple[int, int]]:
    return [(pod.member, pod.incarnation) for pod in pods.observe()]


def test_a_pod_is_another_members_as_soon_as_it_is_labelled(server, pods):
    uid = run_one(server, pods)
    pods.relabel(pods.observe()[0], member=3, incarnation=2)
    assert server.pods[uid]["metadata"]["labels"] == {"pbt.dev/member": "3", "pbt.dev/incarnation": "2"}
    for _ in range(2):  # before the watch shows it, and after
        pods.refresh(server.seen)
        assert lives(pods) == [(3, 2)]
        server.show()
    assert server.requests == [("create", "digits-0-1"), ("label", "digits-0-1")]


def test_what_another_operator_labels_later_counts(server, pods):
    uid = run_one(server, pods)
    pods.relabel(pods.observe()[0], member=3, incarnation=2)
    pods_of(server).relabel(pods.observe()[0], member=1, incarnation=5)
    server.show()
    pods.refresh(server.seen)
    assert lives(pods) == [(1, 5)]
    server.tell(uid, "Running", RUNNING)
    server.show()
    pods.refresh(server.seen)
    assert lives(pods) == [(1, 5)]


def test_a_pod_that_the_watch_does_not_show_yet_can_be_relabelled(server, pods):
    pods.start(birth())
    pods.relabel(pods.observe()[0], member=3, incarnation=2)
    pods.refresh(server.seen)
    assert lives(pods) == [(3, 2)]
    server.show(1)  # as it was created
    pods.refresh(server.seen)
    assert lives(pods) == [(3, 2)]


def test_no_two_pods_are_mixed_up_when_a_member_comes_back(server, pods):
    """Its former pod is named after it and lives another member; its own next one has a name of its own."""
    run_one(server, pods)
    pods.relabel(pods.observe()[0], member=3, incarnation=2)
    pods.start(birth(0, 2))
    assert sorted(lives(pods)) == [(0, 2), (3, 2)]


def test_a_pod_that_waits_becomes_another_births_and_leaves_its_name_to_nobody(server, pods):
    """The name of the first birth is taken: a later pod for that one has another."""
    first, other = birth(member=1), birth(member=2)
    pods.start(first)
    server.show()
    pods.refresh(server.seen)
    (waiting,) = pods.observe()
    pods.readdress(waiting, other)
    assert lives(pods) == [(2, 1)]
    assert next(iter(pods.observe())).readdressed is False  # until the watch shows it
    told = server.pods[waiting.uid]["metadata"]
    assert told["labels"] == {"pbt.dev/member": "2", "pbt.dev/incarnation": "1"}
    assert json.loads(told["annotations"]["pbt.dev/hyperparameters"]) == dict(other.hyperparameters)
    server.show()
    pods.refresh(server.seen)
    assert next(iter(pods.observe())).readdressed
    pods.start(first)
    server.show()
    pods.refresh(server.seen)
    assert sorted(lives(pods)) == [(1, 1), (2, 1)]
    assert len({pod.name for pod in pods.observe()}) == 2


def test_the_longest_name_has_room_for_each_pod_whose_name_another_life_has(server, pods):
    """Beyond 63 characters it isn't the pod's host name; with one that is taken a birth would have no pod."""
    name = f"{'d' * MAX_NAME}-{MAX_MEMBERS - 1}-999999"
    render = pods.render
    pods.render = lambda birth: {**(body := render(birth)), "metadata": {**body["metadata"], "name": name}}
    for incarnation in range(1, 13):
        pods.start(birth(1, incarnation))
        if incarnation % 2:  # whatever the watch shows
            server.show()
            pods.refresh(server.seen)
    names = [pod.name for pod in pods.observe()]
    assert len({*names}) == 12
    assert max(map(len, names)) <= 63


def test_a_pod_by_another_name_is_made_again_where_it_ended_before_it_took_its_birth(server, pods):
    first, other = birth(member=1), birth(member=2)
    run_one(server, pods, first)
    pods.readdress(pods.observe()[0], other)
    pods.start(first)
    pods.start(first)  # it is under way
    (uid,) = [pod.uid for pod in pods.observe() if pod.life == first.life]
    server.tell(uid, "Failed", {"terminated": {"exitCode": 81}})
    server.show()
    pods.refresh(server.seen)
    pods.forget(next(pod for pod in pods.observe() if pod.uid == uid))
    for _ in range(2):
        server.show()
        pods.refresh(server.seen)
        pods.start(first)
    made = [name for verb, name in server.requests if verb == "create"]
    assert made == ["digits-1-1", "digits-1-1-2", "digits-1-1-2"]
