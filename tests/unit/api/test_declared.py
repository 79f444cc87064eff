"""A population in Python is the manifest: to YAML and back changes nothing, and mistakes have Python's names."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import pbt_operator as pbt
from pbt_operator.api.given import name_of
from pbt_operator.manifest.load import load
from pbt_operator.manifest.population import to_wire

EXAMPLES = [
    file
    for file in sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))
    if "\nkind: Population\n" in file.read_text()
]
TRICKY = st.sampled_from(
    [
        "1e5",
        "yes",
        "n",
        "null",
        "~",
        ".inf",
        "0x10",
        "010",
        "2026-01-01",
        "<<",
        "1_000",
        "",
        " a ",
        "a: b",
        "#",
        "'\"",
        "\n",
    ]
)
TEXTS = TRICKY | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
NAMES = st.sampled_from(["null", "yes", "on", "y", "lr", "_1", "a.b-c"]) | st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True
)
REALS = st.floats(-1e300, 1e300)
WHOLES = st.integers(-(2**53) + 1, 2**53 - 1)


@st.composite
def between(draw, numbers):
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return low, high


EXPLORED = st.sampled_from(["Always", "Never"])
SPACES = st.one_of(
    st.builds(lambda b, e: pbt.LogUniform(*b, explore=e), between(st.floats(1e-300, 1e300)), EXPLORED),
    st.builds(lambda b, e: pbt.OneMinus(*b, explore=e), between(st.floats(-5, 0.999)), EXPLORED),
    st.builds(lambda b, e: pbt.Uniform(*b, explore=e), between(REALS), EXPLORED),
    st.builds(lambda b, e: pbt.Integer(*b, explore=e), between(WHOLES), EXPLORED),
    st.builds(
        pbt.Choice,
        st.lists(TEXTS, min_size=2, max_size=5, unique=True)
        | st.lists(WHOLES, min_size=2, max_size=5, unique=True),
        order=st.sampled_from(["Ordered", "Unordered", None]),
    ),
)
COMMANDS = st.lists(TEXTS.filter(lambda word: "\0" not in word), min_size=1, max_size=4)


@st.composite
def populations(draw):
    total = draw(st.integers(1, 10**9))
    optional = {
        "parallelism": st.integers(1, 100),
        "seed": st.integers(0, 2**53 - 1),
        "quorum_percent": st.integers(50, 100),
        "max_lead": st.integers(0, 1000),
        "target": REALS,
        "backoff_limit": st.integers(0, 10_000),
        "suspend": st.booleans(),
        "restart": st.sampled_from(["Recreate", "InPlace"]),
        "retention": st.builds(lambda n: {"checkpoints_per_member": n}, st.integers(1, 10)),
        "exploit": st.builds(lambda gap: {"min_gap": gap}, st.floats(0, 1e300)),
        "limits": st.builds(lambda n: {"total_member_steps": n}, st.integers(1, 10**9)),
        "plateau": st.builds(
            lambda n, g: {"rounds": n, "min_gain": g}, st.integers(1, 1000), st.floats(0, 9)
        ),
    }
    fields = {name: draw(strategy) for name, strategy in optional.items() if draw(st.booleans())}
    return pbt.Population(
        draw(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)),
        draw(COMMANDS),
        hyperparameters=draw(st.dictionaries(NAMES, SPACES, min_size=1, max_size=4)),
        metric=draw(PRINTABLE),
        goal=draw(st.sampled_from(["Maximize", "Minimize"])),
        members=draw(st.integers(1, 10_000)),
        total_steps=total,
        interval_steps=draw(st.integers(max(1, total // 10**6), total)),
        image=draw(st.none() | PRINTABLE),
        gpus=draw(st.integers(0, 8)),
        namespace=draw(st.none() | st.just("team")),
        **fields,
    )


@given(populations())
def test_the_way_to_yaml_and_back_changes_nothing(population):
    text = population.to_yaml()
    again = pbt.Population.from_yaml(text)
    assert again == population
    assert again.spec == population.spec
    assert again.to_yaml() == text


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_a_manifest_comes_back_as_it_was(file, tmp_path):
    population = pbt.Population.load(file)
    population.to_yaml(tmp_path / "again.yaml")
    assert pbt.Population.load(tmp_path / "again.yaml") == population
    assert to_wire(load(tmp_path / "again.yaml")) == to_wire(load(file))


def digits(train="train.py", **changes):
    fields = {
        "hyperparameters": {"lr": pbt.LogUniform(1e-4, 1.0), "momentum": pbt.OneMinus(0.8, 0.999)},
        "metric": "val_accuracy",
        "members": 8,
        "total_steps": 4000,
        "interval_steps": 200,
    }
    return pbt.Population("digits", train, **{**fields, **changes})


def test_it_is_the_manifest_of_the_readme():
    found = digits(parallelism=4, quorum_percent=100, explore={"reach_percent": 30}, strategy="Explicit")
    assert yaml.safe_load(found.to_yaml()) == {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": "digits"},
        "spec": {
            "members": 8,
            "objective": {"metric": "val_accuracy", "goal": "Maximize"},
            "schedule": {"totalSteps": 4000, "intervalSteps": 200, "quorumPercent": 100},
            "hyperparameters": [
                {"name": "lr", "logUniform": {"min": 1.0e-4, "max": 1}},
                {"name": "momentum", "logUniform": {"min": 0.8, "max": 0.999, "of": "OneMinus"}},
            ],
            "parallelism": 4,
            "strategy": "Explicit",
            "explore": {"reachPercent": 30},
            "template": {"spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"]}]}},
        },
    }
    assert found.spec.schedule.straggler_timeout_seconds == 600


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"members": 0}, "members: is 0; should be a whole number from 1 to 10000"),
        ({"paralelism": 2}, "paralelism: unknown field; did you mean parallelism?"),
        ({"total_steps": "many"}, "total_steps: is 'many'; should be a whole number"),
        ({"interval_steps": 5000}, "interval_steps: is 5000; should be at most totalSteps, which is 4000"),
        (
            {"hyperparameters": {"lr": pbt.LogUniform(0, 1)}},
            "hyperparameters.lr.min: is 0; should be above 0",
        ),
        (
            {"hyperparameters": {"n": pbt.Integer(1.5, 3)}},
            "hyperparameters.n.min: is 1.5; should be a whole number",
        ),
        ({"initial": [{"lr": 2}]}, "initial[0].lr: is 2; should be a number from 0.0001 to 1"),
        ({"exploit": {"min_gap": -1}}, "exploit.min_gap: is -1; should be"),
    ],
)
def test_what_is_wrong_is_told_by_pythons_names(changes, told):
    with pytest.raises(pbt.ManifestError) as refused:
        digits(**changes)
    assert told in str(refused.value)
    assert str(refused.value).startswith("pbt.Population(...): 1 field is wrong; nothing was started.")


def test_what_is_no_distribution_or_no_script_is_told():
    with pytest.raises(TypeError, match=r"hyperparameters\['lr'\] is 0\.1; should be a distribution such as"):
        digits(hyperparameters={"lr": 0.1})
    with pytest.raises(
        TypeError, match="train is 3; should be a function, the path of a script, or a command"
    ):
        digits(3)
    with pytest.raises(TypeError, match="give train, or a template in its place"):
        digits(None)
    with pytest.raises(TypeError, match="give train, or a template in its place"):
        digits(template={"spec": {}})


def test_a_function_is_in_no_file_and_on_no_cluster():
    with_function = digits(lambda run: run)
    for refused in (with_function.to_yaml, with_function.apply):
        with pytest.raises(pbt.FunctionRefused, match="train is a function, which no manifest holds"):
            refused()
    assert with_function == with_function  # noqa: PLR0124
    assert with_function != digits(lambda run: run)


def test_a_population_that_has_no_name_is_called_after_what_it_runs():
    def train_MyNet_(run):
        del run

    assert name_of(train_MyNet_) == "train-mynet"
    assert name_of("some/where/train_gpt.py") == "train-gpt"
    assert name_of(["python", "-u", "a/fit.py", "--x"]) == "fit"
    assert name_of(["./binary"]) == "population"
    assert name_of(lambda run: run) == "lambda"
