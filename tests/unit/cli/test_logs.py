"""`pbt logs`: the right pod and container, and why there is none."""

import signal
import subprocess
import sys

import pytest

from unit.cli.cluster import RUNNING, condition, kubelet

PROGRESSING = condition("Progressing", "True", "Training", "1 of 1 pods run")
FOLLOW = [sys.executable, "-m", "pbt_operator.cli.main", "logs", "digits", "0", "--follow"]


@pytest.fixture
def node(namespace):
    """A node whose pods print something."""
    with kubelet(namespace) as found:
        yield found


@pytest.fixture
def population(namespace):
    """Of two members."""
    return namespace.create()


def test_the_trainer_of_the_newest_incarnation_is_read_byte_by_byte(pbt, namespace, population, node):
    for incarnation in [9, 10]:
        namespace.pod(population, 0, incarnation, node=node.node, **RUNNING)
    namespace.pod(population, 1, 11, node=node.node, **RUNNING)
    ended = pbt("logs", "digits", 0)
    assert ended == (0, f"{namespace.name}/digits-0-10/main\nthe \x1b[31mend\n", "")
    assert pbt("logs", "digits", 0, "--previous").out.startswith(f"{namespace.name}/digits-0-9/main\n")


def test_pods_of_an_earlier_population_of_the_name_are_not_its_own(pbt, namespace, population, node):
    namespace.pod(population, 0, 1, node=node.node, **RUNNING)
    namespace.pod(population, 0, 7, uid="00000000-earlier", node=node.node, **RUNNING)
    assert pbt("logs", "digits", 0).out.startswith(f"{namespace.name}/digits-0-1/main\n")


def test_a_log_that_is_followed_is_printed_as_it_comes(namespace, population, node):
    namespace.pod(population, 0, 1, node=node.node, **RUNNING)
    with subprocess.Popen(FOLLOW, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == f"{namespace.name}/digits-0-1/main\n"
        node.release.set()
        assert process.communicate(timeout=60) == ("the \x1b[31mend\n", "")
    assert process.returncode == 0


def test_ctrl_c_ends_the_following_without_a_trace(namespace, population, node):
    namespace.pod(population, 0, 1, node=node.node, **RUNNING)
    with subprocess.Popen(FOLLOW, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


def test_a_log_that_the_node_does_not_give_is_one_line(pbt, namespace, population):
    namespace.pod(population, 0, 1, node="a-node-that-is-gone", **RUNNING)
    ended = pbt("logs", "digits", 0)
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "the log of digits-0-1 is gone: " in ended.err
    assert "a-node-that-is-gone" in ended.err


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({}, "the pod digits-0-1 has not started yet"),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "no GPU",
                    }
                ]
            },
            "the pod digits-0-1 has not started yet: Unschedulable: no GPU",
        ),
    ],
)
def test_a_pod_that_has_not_started_says_why(pbt, namespace, population, status, told):
    namespace.pod(population, 0, 1, **status)
    assert pbt("logs", "digits", 0, "--follow") == (1, "", f"pbt: {told}\n")


def test_while_a_pod_starts_the_log_of_the_one_before_is_offered(pbt, namespace, population, node):
    namespace.pod(population, 0, 1, node=node.node, **RUNNING)
    namespace.pod(population, 0, 2)
    assert "digits-0-2 has not started yet; --previous shows" in pbt("logs", "digits", 0).err
    assert pbt("logs", "digits", 0, "-p").out.startswith(f"{namespace.name}/digits-0-1/main\n")


def test_without_a_pod_before_the_newest_there_is_no_previous_log(pbt, namespace, population):
    namespace.pod(population, 0, 4, **RUNNING)
    ended = pbt("logs", "digits", 0, "--previous")
    assert ended.code == 1
    assert ended.err.startswith("pbt: member 0 has no pod before digits-0-4")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("Waiting", "digits is Running (Training: 1 of 1 pods run)"),
        ("Finished", "it is Finished"),
        ("Failed", "it is Failed (exit code 1 again and again)"),
        (None, "digits is Running (Training: 1 of 1 pods run)"),
    ],
)
def test_a_member_without_a_pod_is_told_of_by_the_status(pbt, namespace, population, state, told):
    member = {"member": 1, "incarnation": 3, "step": 5, "reason": "exit code 1 again and again"}
    members = [{**member, "state": state}] if state else []
    namespace.tell(phase="Running", conditions=[PROGRESSING], members=members)
    assert pbt("logs", "digits", 1) == (1, "", f"pbt: member 1 has no pod: {told}\n")


def test_a_member_that_does_not_exist_is_a_mistake(pbt, population):
    assert pbt("logs", "digits", 2) == (2, "", "pbt: there is no member 2; digits has members 0 to 1\n")


def test_a_member_that_was_scaled_away_is_known_while_its_pod_is(pbt, namespace, population, node):
    namespace.pod(population, 5, 1, node=node.node, **RUNNING)
    assert pbt("logs", "digits", 5).code == 0
