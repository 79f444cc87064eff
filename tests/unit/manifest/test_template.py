"""What a run on one machine takes of a pod template, as a pod would have it."""

from typing import Any

import pytest

from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.template import TrainerContainer, expand, trainer_container, trainer_index


def template(*containers: Any, **pod: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **pod}}


def trainer(**fields: Any) -> dict[str, Any]:
    return {"name": "trainer", "image": "x", "command": ["python", "train.py"], **fields}


def problems(found: Any) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        trainer_container(found)
    return [str(problem) for problem in raised.value.problems]


def test_all_that_counts_is_read() -> None:
    found = trainer_container(
        template(
            {"name": "sidecar"},
            trainer(
                args=["--data", "$(DATA)"],
                env=[
                    {"name": "ROOT", "value": "/data"},
                    {"name": "DATA", "value": "$(ROOT)/digits"},
                    {"name": "EMPTY"},
                    {
                        "name": "TOKEN",
                        "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}},
                    },
                ],
                envFrom=[{"configMapRef": {"name": "c", "optional": True}}],
                workingDir="/workspace",
                resources={"limits": {"nvidia.com/gpu": 2, "cpu": "4"}},
            ),
            terminationGracePeriodSeconds=5,
        )
    )
    assert found == TrainerContainer(
        command=("python", "train.py", "--data", "/data/digits"),
        env={"ROOT": "/data", "DATA": "/data/digits", "EMPTY": ""},
        working_dir="/workspace",
        gpus=2,
        grace_seconds=5,
    )


def test_the_only_container_trains_whatever_its_name() -> None:
    assert trainer_container(template({"command": ["true"]})) == TrainerContainer(command=("true",))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_references_are_replaced_as_in_a_pod(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


def test_a_variable_sees_those_before_it_and_the_run_s_own() -> None:
    env = [{"name": "A", "value": "$(B)$(PBT_MEMBER)"}, {"name": "B", "value": "2"}]
    found = trainer_container(template(trainer(env=env, args=["$(A)"])), env={"PBT_MEMBER": "3"})
    assert found.env == {"A": "$(B)3", "B": "2"}
    assert found.command[-1] == "$(B)3"


POD = "spec.template.spec"
C = f"{POD}.containers[0]"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({}, f"{POD}.containers: has no container; the one that trains should be called 'trainer'"),
        ({"spec": 5}, f"{POD}: is 5; should be a mapping"),
        ({"spec": {"containers": {}}}, f"{POD}.containers: is an empty mapping; should be a list"),
        (template("a"), f"{C}: is 'a'; should be a mapping"),
        (
            template({"name": "a"}, {"name": "b"}),
            f"{POD}.containers: has 'a', 'b'; the one that trains should be called 'trainer'",
        ),
        (
            template({"name": "a"}, {"name": "trainer"}),
            f"{POD}.containers[1].command: is missing; should be given, for no image is there to tell it",
        ),
        (
            template(trainer(command=[])),
            f"{C}.command: is missing; should be given, for no image is there to tell it",
        ),
        (template(trainer(command="python")), f"{C}.command: is 'python'; should be a list"),
        (template(trainer(args=["--lr", 0.1])), f"{C}.args[1]: is 0.1; should be a text, in quotes"),
        (template(trainer(args=["a\0"])), f"{C}.args[0]: is 'a\\x00'; should be a text"),
        (
            template(trainer(env=[{"name": "A", "value": 1}])),
            f"{C}.env[0].value: is 1; should be a text, in quotes",
        ),
        (
            template(trainer(env=[{"value": "1"}])),
            f"{C}.env[0].name: is empty; should be the name of a variable",
        ),
        (
            template(trainer(env=[{"name": "A=B"}])),
            f"{C}.env[0].name: is 'A=B'; should be the name of a variable",
        ),
        (
            template(trainer(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])),
            f"{C}.env[0].valueFrom: can't be resolved on one machine; should be a literal",
        ),
        (
            template(trainer(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])),
            f"{C}.env[0].valueFrom: can't be resolved on one machine; should be a literal",
        ),
        (
            template(trainer(envFrom=[{"secretRef": {"name": "s"}}])),
            f"{C}.envFrom[0]: can't be resolved on one machine; should be a literal",
        ),
        (template(trainer(workingDir=3)), f"{C}.workingDir: is 3; should be a text, in quotes"),
        (
            template(trainer(resources={"limits": {"nvidia.com/gpu": "half"}})),
            f"{C}.resources.limits.nvidia.com/gpu: is 'half'; should be a whole number",
        ),
        (
            template(trainer(), terminationGracePeriodSeconds=-1),
            f"{POD}.terminationGracePeriodSeconds: is -1; should be a whole number",
        ),
    ],
)
def test_what_cannot_run_here_is_named_with_its_path(found: Any, problem: str) -> None:
    assert any(told.startswith(problem) for told in problems(found))


def test_all_problems_come_at_once() -> None:
    assert len(problems(template(trainer(command=None, args="x", env=[{"name": "A", "value": 1}])))) == 3


@pytest.mark.parametrize("gpus", [2, 2.0, "2"])
def test_a_quantity_may_be_a_text(gpus: Any) -> None:
    found = trainer_container(template(trainer(resources={"limits": {"nvidia.com/gpu": gpus}})))
    assert found.gpus == 2


def test_a_wrong_field_is_named_once() -> None:
    assert problems(template(trainer(command="python", env=[{"name": 5}, "x"]))) == [
        f"{C}.command: is 'python'; should be a list of words, [python]",
        f"{C}.env[0].name: is 5; should be the name of a variable",
        f"{C}.env[1]: is 'x'; should be a mapping",
    ]


def test_what_is_not_read_here_may_be_anything() -> None:
    strange = {"metadata": 5, "spec": {"volumes": 5, "containers": [{"command": 5, "env": 5}, trainer()]}}
    assert trainer_container(strange).command == ("python", "train.py")


@pytest.mark.parametrize(
    ("containers", "index"),
    [
        ([], None),
        ([{"name": "a"}], 0),
        ([{"name": "a"}, {"name": "trainer"}], 1),
        ([{}, {"name": "a"}], None),
    ],
)
def test_the_container_that_trains_is_the_one_of_that_name_or_the_only_one(
    containers: list[dict[str, Any]], index: int | None
) -> None:
    assert trainer_index(containers) == index
