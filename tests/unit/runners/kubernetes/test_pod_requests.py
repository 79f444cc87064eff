"""What one pass asks of the API server: all of it together at its end, and no more than is followed up soon."""

import pytest

from pbt_contract.errors import StoreUnavailable
from pbt_operator.runners.kubernetes import cluster_pods
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS
from support.lagging import GRACE_SECONDS, Server, birth, pods_of, run_one


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pods(server):
    return pods_of(server)


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
