"""The loop may run in a thread, and so may `join`: the process ends as if it were the main thread."""

import sys

import pytest

from pbt_trainer import ExitCode
from unit.trainer.population import Population


@pytest.mark.parametrize("where", ["loop", "join"])
def test_a_loop_in_a_thread_trains_to_the_end(population: Population, where: str) -> None:
    population.birth()
    trainer = population.run("threaded.py", where, "ends", total_steps=8)
    assert trainer.said[-2:] == ["ended FINISHED", "tail"]
    assert [population.reported(number).step for number in (1, 2)] == [4, 8]
    population.assert_no_leftovers()


@pytest.mark.parametrize("where", ["loop", "join"])
@pytest.mark.parametrize(("what", "code"), [("faulty", ExitCode.MISTAKE), ("crashing", 1)])
def test_an_exception_that_ends_the_thread_of_the_loop_ends_the_process(
    population: Population, where: str, what: str, code: int
) -> None:
    """Else the main thread would go on without it and end with 0."""
    population.birth()
    trainer = population.start("threaded.py", where, what)
    assert trainer.end() == code
    assert "tail" not in trainer.said
    told = "UsageError: step 4 was due" if what == "faulty" else "RuntimeError: a fault of the script"
    assert told in trainer.errors()
    population.assert_no_leftovers()


def test_sigterm_saves_a_loop_in_a_thread_and_skips_the_scripts_tail(population: Population) -> None:
    population.birth()
    trainer = population.start("threaded.py", "loop", "waits")
    trainer.hear("step 3")
    trainer.terminate()
    trainer.hear("asked to leave")  # by the main thread: the loop would be faster on a busy machine
    trainer.go()
    assert trainer.end() == 0
    assert [save.step for save in population.saves()] == [3]
    assert "tail" not in trainer.said
    population.assert_no_leftovers()


def test_after_the_loop_sigterm_ends_the_process_as_any_other(population: Population) -> None:
    """Though the handler of the main thread can't be put back from the thread of the loop."""
    population.birth()
    script = (
        "import sys, threading, pbt_trainer\n"
        "run = pbt_trainer.join({'rate': 0.1, 'layers': 1}, total_steps=1, interval_steps=1)\n"
        "def train():\n"
        "    for _ in run.steps(): run.report({'score': 1})\n"
        "thread = threading.Thread(target=train)\n"
        "thread.start(); thread.join(); print('trained', flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    trainer = population.start_command([sys.executable, "-c", script], total_steps=1, interval_steps=1)
    trainer.hear("trained")
    trainer.terminate()
    assert trainer.end() == -15
