"""How a process joins: the environment contract, the claim, the hyperparameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.assignment import Assignment
from pbt_contract.encoding import encode
from pbt_contract.records import Cause, Claim
from pbt_trainer import ExitCode, UsageError
from unit.trainer.population import Population, Trainer

MINIMAL = {
    "PBT_LOCATION": "/somewhere",
    "PBT_MEMBER": "3",
    "PBT_INCARNATION": "2",
    "PBT_POD": "uid",
    "PBT_OBJECTIVE": "score",
    "PBT_TOTAL_STEPS": "100",
    "PBT_INTERVAL_STEPS": "10",
}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
COUNT, SECONDS = st.integers(0, 10**12), st.floats(0, 1e9)


@given(
    st.builds(
        Assignment,
        location=TEXT,
        member=COUNT,
        incarnation=COUNT,
        pod=TEXT,
        objective=TEXT,
        total_steps=COUNT,
        interval_steps=COUNT,
        hyperparameters=st.dictionaries(TEXT, st.booleans() | st.integers() | TEXT),
        seed=st.integers(),
        population=st.none() | TEXT,
        in_place=st.booleans(),
        shared_slots=st.booleans(),
        poll_seconds=SECONDS,
        grace_seconds=SECONDS,
        store_patience_seconds=SECONDS,
        prefetched=st.none() | TEXT,
        nonce=st.none() | TEXT,
    )
)
def test_an_assignment_survives_the_environment(assignment: Assignment) -> None:
    assert Assignment.from_environment(assignment.to_environment()) == assignment


def test_without_a_location_a_script_runs_alone() -> None:
    assert Assignment.from_environment({"PBT_MEMBER": "1"}) is None


def test_what_is_not_given_has_a_default() -> None:
    found = Assignment.from_environment(MINIMAL)
    assert found == Assignment(
        location="/somewhere",
        member=3,
        incarnation=2,
        pod="uid",
        objective="score",
        total_steps=100,
        interval_steps=10,
        in_place=False,
        poll_seconds=2.0,
        grace_seconds=30.0,
        store_patience_seconds=3600.0,
    )


@pytest.mark.parametrize("name", [name for name in MINIMAL if name != "PBT_LOCATION"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is not set"):
        Assignment.from_environment({key: value for key, value in MINIMAL.items() if key != name})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PBT_MEMBER", "-1"),
        ("PBT_TOTAL_STEPS", "many"),
        ("PBT_RESTART", "inplace"),
        ("PBT_GRACE_SECONDS", "nan"),
        ("PBT_HYPERPARAMETERS", "[1]"),
        ("PBT_HYPERPARAMETERS", "{"),
    ],
)
def test_a_malformed_variable_is_named_with_its_text(name: str, text: str) -> None:
    with pytest.raises(UsageError) as error:
        Assignment.from_environment(MINIMAL | {name: text})
    assert f"{name}={text!r} is not" in str(error.value)


def test_a_hyperparameter_that_the_script_does_not_name_is_an_error(population: Population) -> None:
    population.birth(hyperparameters={"rate": 0.1, "layers": 1, "momentum": 0.9, "beta": 1})
    trainer = population.start()
    assert trainer.end() == ExitCode.MISTAKE
    assert "the script doesn't name: beta, momentum; give each a default" in trainer.errors()
    assert (
        population.claim() is not None
    )  # so that it counts as a crash, and not for ever as an unclaimed birth
    population.assert_no_leftovers()


def test_a_hyperparameter_that_the_manifest_does_not_have_stays_at_its_default(
    population: Population,
) -> None:
    population.birth(hyperparameters={"rate": 0.1})
    assert population.run().said[0].endswith("{'layers': 1}")


def test_only_one_of_two_processes_gets_a_birth(population: Population) -> None:
    population.birth()
    racers = [population.start(pod=f"pod-{number}") for number in range(2)]
    codes = [trainer.end() for trainer in racers]
    assert sorted(codes) == [0, ExitCode.UNCLAIMED]
    winner, loser = codes.index(0), codes.index(ExitCode.UNCLAIMED)
    claim = population.claim()
    assert claim is not None
    assert claim.pod == f"pod-{winner}"
    assert racers[loser].said == []
    assert racers[loser].errors() == (
        f"pbt: member 0, incarnation 1: another process has it (pod pod-{winner})\n"
    )
    population.assert_no_leftovers()


def test_a_birth_that_the_operator_closed_is_left_alone(population: Population) -> None:
    population.birth()
    claim = Claim(member=0, incarnation=1, pod="operator", nonce="void", void=True)
    population.store.create(keys.claim(0, 1), encode(claim))
    trainer = population.start()
    assert trainer.end() == ExitCode.UNCLAIMED
    assert "it was closed before this process came" in trainer.errors()


def _ends_with(trainer: Trainer, *, code: int, message: str) -> None:
    assert trainer.end() == code
    assert message in trainer.errors()


def test_a_birth_that_is_not_there_or_not_ours_is_a_clear_error(population: Population) -> None:
    _ends_with(population.start(), code=1, message="NotFound: nothing is stored under")
    wrong = population.birth(5, member=4, cause=Cause.INITIAL)
    population.store.create(keys.birth(0, 1), encode(wrong))
    _ends_with(population.start(), code=1, message="RecordRefused: births/00000-000001.json: the record says")
    population.assert_no_leftovers()


def test_a_location_that_no_store_can_be_is_refused_at_once(population: Population) -> None:
    trainer = population.start(location="ftp://somewhere")
    _ends_with(trainer, code=ExitCode.ACCESS, message="'ftp://somewhere' is no location")
    population.assert_no_leftovers()
