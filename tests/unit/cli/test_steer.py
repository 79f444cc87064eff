"""`pbt suspend`, `pbt resume` and `pbt finish`: one field, once, with what follows."""

import pytest

from unit.cli.cluster import condition

CASES = {
    "suspend": ({}, "suspend", True, "digits suspends: its trainers save"),
    "resume": ({"suspend": True}, "suspend", False, "digits goes on: its members get pods again"),
    "finish": ({}, "finish", True, "digits finishes: its pods go, and it ends Complete"),
}


@pytest.mark.parametrize("command", CASES)
def test_one_field_changes_and_what_follows_is_told(pbt, namespace, command):
    before, field, value, told = CASES[command]
    created = namespace.create(**before)
    ended = pbt(command, "digits")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(told)
    assert ended.out.endswith(f"watch it with: kubectl get population digits -n {namespace.name} --watch\n")
    found = namespace.read()
    assert found["spec"] == {**created["spec"], field: value}
    [manager] = [m for m in found["metadata"]["managedFields"] if m["manager"] == "pbt"]
    assert manager["fieldsV1"] == {"f:spec": {f"f:{field}": {}}}


@pytest.mark.parametrize("command", CASES)
def test_what_was_asked_for_already_is_not_asked_again(pbt, namespace, command):
    _, field, value, _ = CASES[command]
    namespace.create(**{field: value})
    namespace.tell(phase="Running")
    before = namespace.read()
    for _ in range(2):
        ended = pbt(command, "digits")
        assert ended.code == 0
        assert ended.out.startswith(f"digits: spec.{field} is {str(value).lower()} already; it is Running\n")
    assert namespace.read() == before


@pytest.mark.parametrize("phase", ["Complete", "Failed"])
@pytest.mark.parametrize("command", CASES)
def test_a_population_that_has_ended_is_left_alone(pbt, namespace, command, phase):
    namespace.create(**CASES[command][0])
    namespace.tell(phase=phase, conditions=[condition(phase, "True", "Ended")])
    before = namespace.read()
    assert pbt(command, "digits") == (0, f"digits has ended, it is {phase}: nothing changes\n", "")
    assert namespace.read() == before


def test_the_hint_names_the_cluster_that_was_asked_for(pbt, namespace):
    namespace.create()
    out = pbt("suspend", "digits", "--context", "bare", "--kubeconfig", namespace.kubeconfig).out
    assert out.endswith(f"-n {namespace.name} --context bare --kubeconfig {namespace.kubeconfig} --watch\n")


def test_there_and_back(pbt, namespace):
    namespace.create()
    for command in ["suspend", "resume", "suspend"]:
        assert pbt(command, "digits").code == 0
        assert namespace.read()["spec"]["suspend"] is (command == "suspend")
