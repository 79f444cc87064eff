"""Takeovers in place: the running process becomes the next incarnation, in its loop or by starting anew."""

from typing import Any

import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Cause, Claim, Report, Started
from pbt_trainer import ExitCode
from unit.trainer.population import Population, Trainer, is_gone


@pytest.fixture
def donor(population: Population) -> Report:
    """Member 3's report of step 4, with a weight of 8."""
    population.birth(member=3, hyperparameters={"rate": 2.0, "layers": 2})
    population.run(member=3, total_steps=4)
    return population.reported(1, member=3)


def running(population: Population, script: str = "plain.py", *arguments: str, **given: Any) -> Trainer:
    """A trainer in its first step, which looks for its successor; nothing is due for long."""
    population.birth(hyperparameters={"rate": 0.5, "layers": 2})
    return population.start(
        script, *arguments, in_place=True, total_steps=20_000, interval_steps=10_000, **given
    )


def test_a_hyperparameter_that_the_loop_reads_is_swapped_between_two_steps(
    population: Population, donor: Report
) -> None:
    trainer = running(population)
    trainer.step_until("step 2")
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 2})
    trainer.step_until("restored 4 8.0")
    assert trainer.hear("step").startswith("step 5 2")
    claim = population.claim(incarnation=2)
    assert claim is not None
    assert (claim.pod, claim.started, claim.why) == ("pod-0-1", Started.IN_PLACE, UNSET)
    trainer.terminate()
    assert trainer.end() == 0
    [save] = population.saves(incarnation=2)
    assert (save.step, save.hyperparameters) == (5, {"rate": 0.25, "layers": 2})
    assert population.saves(incarnation=1) == []
    assert sum(line.startswith("joined") for line in trainer.said) == 1
    population.assert_no_leftovers()


def test_a_hyperparameter_that_was_read_before_the_loop_needs_a_fresh_start(
    population: Population, donor: Report
) -> None:
    trainer = running(population)
    pid = trainer.pid
    trainer.step_until("step 2")
    population.exploit(donor, hyperparameters={"rate": 0.5, "layers": 3})
    assert trainer.step_until("joined 0 2").endswith("{'layers': 3}")
    trainer.go()
    trainer.hear("restored 4 8.0")
    assert trainer.hear("step").startswith("step 5 2")
    assert trainer.pid == pid
    assert not is_gone(pid)
    trainer.terminate()
    assert trainer.end() == 0
    assert [save.step for save in population.saves(incarnation=2)] == [5]
    population.assert_no_leftovers()


def test_a_member_that_is_sampled_anew_starts_anew(population: Population) -> None:
    trainer = running(population)
    trainer.step_until("step 2")
    population.birth(2, cause=Cause.ROLLBACK, hyperparameters={"rate": 0.5, "layers": 2})
    trainer.step_until("joined 0 2")
    trainer.go()
    assert trainer.hear("step").startswith("step 1 2")


def test_a_loop_that_others_own_learns_of_a_swap(population: Population, donor: Report) -> None:
    trainer = running(population, "owned.py")
    trainer.step_until("GO 2 0.5")
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 2})
    assert trainer.step_until("SWAPPED") == "SWAPPED 5 0.25"
    trainer.terminate()
    assert trainer.end() == 0
    assert "stopped TERMINATED" in trainer.said
    assert "the tail of the script" not in trainer.said


def test_a_step_that_is_lost_may_be_left_half_done_and_without_its_report(
    population: Population, donor: Report
) -> None:
    population.birth(hyperparameters={"rate": 0.5, "layers": 2})
    trainer = population.start("leaving.py", in_place=True, total_steps=50, interval_steps=1)
    assert trainer.hear("step") == "step 1 1 0.0 0.5"
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 2})
    assert trainer.hear("left") == "left 1"
    assert trainer.hear("step") == "step 5 2 8.0 0.25"
    population.birth(3, cause=Cause.RESUME)
    assert trainer.hear("left") == "left 5"
    assert trainer.end() == ExitCode.UNCLAIMED
    assert population.saves() == population.saves(incarnation=2) == []
    assert list(population.store.names(keys.reports_of(1))) == [donor.key]
    population.assert_no_leftovers()


def test_a_learning_rate_that_only_the_optimizer_was_built_with_starts_anew(population: Population) -> None:
    population.birth(hyperparameters={"lr": 1.0})
    trainer = population.start("learner.py", in_place=True, total_steps=10**6, interval_steps=2)
    trainer.step_until("step 3")
    record = population.reported(1)
    assert (record.values("score"), record.effective) == ([-2.5], {"lr": 1.0})
    back = {"cause": Cause.ROLLBACK, "seed_round": 1, "round": 1}
    population.birth(2, source=record, hyperparameters={"lr": 0.25}, **back)
    assert trainer.step_until("restored") == "restored 2 -2.5 0.25 1.5 True"
    assert trainer.hear("step") == "step 3"
    assert trainer.said.count("joined") == 2


def test_the_state_of_an_optimizer_is_swapped_into_the_tensors_that_are_there(population: Population) -> None:
    population.birth(hyperparameters={"lr": 1.0})
    trainer = population.start("learner.py", in_place=True, total_steps=10**6, interval_steps=2)
    trainer.step_until("step 3")
    back = {"cause": Cause.ROLLBACK, "seed_round": 1, "round": 1}
    population.birth(2, source=population.reported(1), hyperparameters={"lr": 1.0}, **back)
    assert trainer.step_until("restored") == "restored 2 -2.5 1.0 1.5 True"
    assert trainer.hear("step") == "step 3"
    assert trainer.said.count("joined") == 1


def reading(population: Population, how: str) -> Trainer:
    """A trainer that was asked to continue with another dropout."""
    population.birth(member=3, hyperparameters={"rate": 2.0, "dropout": 0.5})
    population.run("reading.py", "none", member=3, total_steps=4)
    population.birth(hyperparameters={"rate": 0.5, "dropout": 0.25})
    trainer = population.start("reading.py", how, in_place=True, total_steps=20_000, interval_steps=10_000)
    trainer.step_until("step 2")
    donor = population.reported(1, member=3)
    population.exploit(donor, hyperparameters={"rate": 0.5, "dropout": 0.75})
    return trainer


@pytest.mark.parametrize(("how", "line"), [("before", 26), ("logged", 26), ("dict", 46), ("pickled", 48)])
def test_a_value_that_was_read_before_the_loop_starts_the_process_anew_and_the_claim_says_where(
    population: Population, how: str, line: int
) -> None:
    trainer = reading(population, how)
    trainer.step_until("joined 2")
    assert trainer.step_until("step") == "step 5 2 0.75"
    claim = population.claim(incarnation=2)
    assert claim is not None
    told = f"`dropout` was read at reading.py:{line}, before the loop"
    assert (claim.started, claim.why) == (Started.ANEW, told)
    assert f"by the running loop: {told}; starting anew" in trainer.errors()


def test_a_value_that_a_forked_process_read_starts_the_process_anew(population: Population) -> None:
    trainer = reading(population, "fork")
    trainer.step_until("joined 2")
    assert trainer.step_until("step") == "step 5 2 0.75"
    claim = population.claim(incarnation=2)
    assert claim is not None
    assert claim.why == "`dropout` was read by a forked process, which keeps its value"


@pytest.mark.parametrize("how", ["none", "hook", "peek"])
def test_a_value_that_only_the_loop_or_a_hook_reads_changes_in_place(
    population: Population, how: str
) -> None:
    trainer = reading(population, how)
    trainer.step_until("restored 4")
    assert trainer.hear("step") == "step 5 2 0.75"
    assert trainer.said.count("joined 2") == 0
    claim = population.claim(incarnation=2)
    assert claim is not None
    assert claim.started is Started.IN_PLACE


def test_the_reason_of_one_life_is_not_told_of_the_next(population: Population) -> None:
    trainer = reading(population, "before")
    trainer.step_until("joined 2")
    trainer.step_until("step 5 2")
    trainer.terminate()
    trainer.go()
    assert trainer.end() == 0
    [save] = population.saves(incarnation=2)
    population.resume(save, incarnation=3)
    population.start("reading.py", "none", incarnation=3).step_until("step")
    claim = population.claim(incarnation=3)
    assert claim is not None
    assert (claim.started, claim.why) == (UNSET, UNSET)


def building(population: Population, how: str = "") -> tuple[Trainer, Report]:
    """A trainer whose optimizer a function builds, and its report of step 2."""
    population.birth(hyperparameters={"lr": 1.0})
    trainer = population.start("builder.py", how, in_place=True, total_steps=10**6, interval_steps=2)
    trainer.step_until("step 3")
    return trainer, population.reported(1)


BACK = {"cause": Cause.ROLLBACK, "seed_round": 1, "round": 1}


def test_what_a_function_builds_follows_a_learning_rate_in_place(population: Population) -> None:
    trainer, record = building(population)
    population.birth(2, source=record, hyperparameters={"lr": 0.25}, **BACK)
    assert trainer.step_until("restored") == "restored 2 -2.5 0.25 1.5 True"
    assert trainer.hear("step") == "step 3 2 0.25"
    assert trainer.said.count("joined") == 1
    claim = population.claim(incarnation=2)
    assert claim is not None
    assert claim.started is Started.IN_PLACE


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("fails", "build() failed: ValueError: no such rate"),
        ("names", "build() returned other, and at first optimizer"),
        ("class", "the build function made a torch.optim.adam.Adam this time"),
    ],
)
def test_a_function_that_fails_or_returns_other_things_starts_the_process_anew_before_anything_is_claimed(
    population: Population, how: str, told: str
) -> None:
    trainer, record = building(population, how)
    population.birth(2, source=record, hyperparameters={"lr": 0.25}, **BACK)
    assert trainer.step_until("restored") == "restored 2 -2.5 0.25 1.5 True"
    assert trainer.said.count("joined") == 2
    claim = population.claim(incarnation=2)
    assert claim is not None
    assert claim.started is Started.ANEW
    assert told in claim.why


@pytest.mark.parametrize(("arguments", "heard"), [([], "files .metadata step 4"), (["deaf"], "joined 2")])
def test_files_can_be_swapped_only_by_a_hook(
    population: Population, arguments: list[str], heard: str
) -> None:
    population.birth(member=3)
    population.run("files.py", member=3, total_steps=4)
    trainer = running(population, "files.py", *arguments)
    trainer.hear("step 1")
    population.exploit(population.reported(1, member=3), hyperparameters={"rate": 0.5, "layers": 2})
    trainer.step_until(heard)
    assert trainer.hear("step") == "step 5"


def test_starting_anew_ends_child_processes_and_runs_exit_functions(
    population: Population, donor: Report
) -> None:
    trainer = running(population, "owned.py")
    _, pid, child, *_ = trainer.hear("started").split()
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 3})
    trainer.step_until("exiting")
    assert is_gone(int(child))
    assert trainer.hear("started").split()[1] == pid
    assert trainer.said[-1].endswith(" 2 2")


def test_sigterm_right_before_it_starts_anew_is_not_lost(population: Population, donor: Report) -> None:
    trainer = running(population, "asked_late.py")
    trainer.step_until("step 2")
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 3})
    with pytest.raises(AssertionError, match="it never said"):
        trainer.step_until("joined 2")
    assert trainer.end() == 0
    assert "SIGTERM before the process started anew" in trainer.errors()
    population.assert_no_leftovers()


def test_a_takeover_that_somebody_else_claimed_ends_the_process(
    population: Population, donor: Report
) -> None:
    trainer = running(population)
    trainer.step_until("step 2")
    claim = Claim(member=0, incarnation=2, pod="new", nonce="theirs")
    population.store.create(keys.claim(0, 2), encode(claim))
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 2})
    with pytest.raises(AssertionError, match="it never said"):
        trainer.step_until("restored")
    assert trainer.end() == ExitCode.UNCLAIMED
    assert population.saves() == []
    population.assert_no_leftovers()


@pytest.mark.parametrize("cause", [Cause.RESUME, Cause.REMOVED])
def test_a_process_that_was_given_up_leaves(population: Population, cause: Cause) -> None:
    trainer = running(population)
    trainer.step_until("step 2")
    population.birth(2, cause=cause, reason="its node was lost")
    with pytest.raises(AssertionError, match="it never said"):
        trainer.step_until("ended")
    assert trainer.end() == ExitCode.UNCLAIMED
    assert "pbt: incarnation 2 was born: its node was lost\n" in trainer.errors()
    assert population.saves() == []
    population.assert_no_leftovers()


def test_a_process_that_is_to_be_recreated_does_not_look(population: Population, donor: Report) -> None:
    population.birth()
    population.exploit(donor)
    trainer = population.run()
    assert not any(line.startswith("restored") for line in trainer.said)
    assert population.claim(incarnation=2) is None
