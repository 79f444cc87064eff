"""What a process is told of its place, as variables: of hyperparameters all at once, and each by its name."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.assignment import Assignment, hyperparameter_variables, sharing_variables
from pbt_contract.records import Value


def told(hyperparameters: dict[str, Value]) -> dict[str, str]:
    """The variables of hyperparameters, as a process gets them."""
    place = Assignment(
        location="/tmp/x",
        member=0,
        incarnation=1,
        pod="p",
        objective="loss",
        total_steps=10,
        interval_steps=1,
        hyperparameters=hyperparameters,
    )
    variables = place.to_environment()
    assert Assignment.from_environment(variables) == place
    return {name: text for name, text in variables.items() if name.startswith("PBT_HP_")}


@pytest.mark.process
def test_a_shell_has_each_hyperparameter_under_its_name() -> None:
    variables = told(
        {"lr": 1e-5, "Optimizer.weight-decay": 3, "nesterov": True, "schedule": "cosine", "odd": 'a "b" $c'}
    )
    line = 'echo "$PBT_HP_lr,$PBT_HP_Optimizer_weight_decay,$PBT_HP_nesterov,$PBT_HP_schedule,$PBT_HP_odd"'
    said = subprocess.run(["/bin/sh", "-c", line], env=variables, capture_output=True, check=True)
    assert said.stdout.decode() == '1e-05,3,true,cosine,a "b" $c\n'


def test_names_that_would_share_a_variable_have_none() -> None:
    values: dict[str, Value] = {"a.b": 1, "a-b": 2, "a_b": 3, "A_b": 4, "c": 5}
    assert told(values) == {"PBT_HP_A_b": "4", "PBT_HP_c": "5"}
    assert sharing_variables(values) == {"PBT_HP_a_b": ["a.b", "a-b", "a_b"]}


def test_a_text_that_no_variable_can_hold_is_left_out() -> None:
    assert told({"odd": "a\0b", "lr": 1}) == {"PBT_HP_lr": "1"}


@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]*", fullmatch=True), st.floats(0, 1), max_size=9)
)
def test_every_variable_has_the_value_of_its_one_name(hyperparameters: dict[str, Value]) -> None:
    texts = hyperparameter_variables(hyperparameters)
    left_out = {name for names in sharing_variables(hyperparameters).values() for name in names}
    assert texts.keys() | left_out == hyperparameters.keys()
    assert all(float(texts[name]) == hyperparameters[name] for name in texts)
    assert len(told(hyperparameters)) == len(texts)
