"""Whose a pod is: what its labels say, what they were made to say just now, and by which name it goes."""

import json

import pytest

from pbt_contract.keys import Life
from pbt_operator.manifest.population_spec import MAX_MEMBERS, MAX_NAME
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.pod_state import former_in
from support.lagging import RUNNING, Server, birth, pods_of, run_one


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pods(server):
    return pods_of(server)


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
    assert next(iter(pods.observe())).readdressed == (first.life,)
    told = server.pods[waiting.uid]["metadata"]
    assert told["labels"] == {"pbt.dev/member": "2", "pbt.dev/incarnation": "1"}
    assert json.loads(told["annotations"]["pbt.dev/hyperparameters"]) == dict(other.hyperparameters)
    server.show()
    pods.refresh(server.seen)
    assert next(iter(pods.observe())).readdressed == (first.life,)
    pods.start(first)
    server.show()
    pods.refresh(server.seen)
    assert sorted(lives(pods)) == [(1, 1), (2, 1)]
    assert len({pod.name for pod in pods.observe()}) == 2


def test_a_pod_that_is_labelled_twice_is_the_last_members_while_the_watch_shows_the_first(server, pods):
    """Else it would be made another one's pod once more, and the last one would have two."""
    first, second, third = (birth(member=member) for member in (1, 2, 3))
    pods.start(first)
    server.show()
    pods.refresh(server.seen)
    for other in (second, third):
        pods.readdress(pods.observe()[0], other)
    shown = list[list[tuple[int, int]]]()
    for _ in range(3):  # as it was, as the second one's, as the third one's
        pods.refresh(server.seen)
        shown.append(lives(pods))
        server.show(1)
    assert shown == [[(3, 1)]] * 3
    pods_of(server).relabel(pods.observe()[0], member=2, incarnation=1)
    server.show()
    pods.refresh(server.seen)
    assert lives(pods) == [(2, 1)]


@pytest.mark.parametrize("shows", [True, False])
def test_the_last_two_lives_that_a_pod_was_for_are_remembered(server, pods, shows):
    """Its process may have started as either while the watch was behind; what else stands there names none."""
    lived = [birth(member=member) for member in (1, 2, 3, 4)]
    pods.start(lived[0])
    server.show()
    for other in lived[1:]:
        pods.refresh(server.seen)
        pods.readdress(pods.observe()[0], other)
        if shows:
            server.show()
    server.show()
    pods_of(server).refresh(server.seen)
    pods.refresh(server.seen)
    assert pods.observe()[0].readdressed == (lived[2].life, lived[1].life)
    assert [former_in(noted) for noted in (None, "true", "3-1,", "-1-1", "3-1,2-7")] == [
        (),
        (),
        (),
        (),
        (Life(3, 1), Life(2, 7)),
    ]


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
