"""The SDK's log: lines on stderr, or records for a script that has set up logging; the operator understands both."""

import re

import pytest

from pbt_operator.core.crash_words import last_words
from unit.trainer.population import Population, Trainer, until

ANNOUNCED = "member 0, incarnation 1, from step 0: a test"
RETRYING = "the store can't be reached, retrying for up to 3600 s: "


def lose_the_store(population: Population, way: str) -> Trainer:
    """A trainer that has reported step 4, whose store can't be reached since step 1."""
    population.birth()
    trainer = population.start("logged.py", way)
    trainer.hear("step 1")
    (population.folder / "store").rename(population.folder / "away")
    (population.folder / "store").write_text("something that is no folder")
    trainer.go(4)
    trainer.hear("step 5")
    return trainer


def find_the_store(population: Population) -> None:
    (population.folder / "store").unlink()
    (population.folder / "away").rename(population.folder / "store")


def lines_of(trainer: Trainer) -> list[str]:
    return trainer.errors().splitlines()


def test_a_script_without_logging_has_a_line_on_stderr_for_each_record(population: Population) -> None:
    trainer = lose_the_store(population, "never")
    until(lambda: RETRYING in trainer.errors())
    find_the_store(population)
    assert trainer.end() == 0
    announced, retrying = lines_of(trainer)
    assert announced == f"pbt: {ANNOUNCED}"
    assert retrying.startswith(f"pbt: {RETRYING}")


def test_a_script_with_logging_gets_all_records_those_of_the_helper_process_too(
    population: Population,
) -> None:
    trainer = lose_the_store(population, "before")

    def told() -> bool:
        trainer.go()
        return RETRYING in trainer.errors()

    until(told)
    find_the_store(population)
    assert trainer.end() == 0
    announced, retrying = lines_of(trainer)
    assert re.fullmatch(rf"\S+ \S+ INFO \[pbt\] {re.escape(ANNOUNCED)}", announced)
    assert re.match(rf"\S+ \S+ WARNING \[pbt\] {re.escape(RETRYING)}", retrying)


@pytest.mark.parametrize("way", ["silent", "errors", "warnings"])
def test_a_script_may_silence_it(population: Population, way: str) -> None:
    population.birth()
    assert lines_of(population.run("logged.py", way)) == []


def test_a_script_that_sets_logging_up_later_gets_no_record_twice(population: Population) -> None:
    population.birth()
    announced, later = lines_of(population.run("logged.py", "after"))
    assert announced == f"pbt: {ANNOUNCED}"
    assert later.endswith(" WARNING [pbt] one more")


@pytest.mark.parametrize("way", ["never", "before"])
def test_the_operator_leaves_the_announcement_out_of_the_last_words(population: Population, way: str) -> None:
    population.birth()
    assert last_words(population.run("logged.py", way).errors()) == ""
