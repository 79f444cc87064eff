"""What the time of a process went to: its records say what was training, waiting and starting."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from pbt_trainer.session import clock
from pbt_trainer.session.clock import Clock, Spent, process_start
from unit.trainer.population import Population


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    time_is = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: time_is[0])
    return time_is


def test_the_first_record_says_how_long_the_process_took_to_its_first_step(now: list[float]) -> None:
    spent = Clock(90.0)
    spent.train()
    now[0] += 4
    assert (spent.training, spent.take()) == (4.0, Spent(waited=UNSET, starting=10.0))
    assert spent.take() == Spent(waited=UNSET, starting=UNSET)


def test_a_wait_is_neither_training_nor_starting(now: list[float]) -> None:
    spent = Clock(90.0)
    now[0] += 3
    spent.wait(3.0)
    spent.train()
    now[0] += 5
    spent.end_step()
    now[0] += 2
    spent.wait(2.0)
    assert spent.training == 5.0
    assert spent.take() == Spent(waited=5.0, starting=10.0)


def test_a_life_after_a_swap_has_been_starting_since_the_last_step_and_tells_what_was_waited(
    now: list[float],
) -> None:
    spent = Clock(100.0)
    spent.train()
    now[0] += 5
    spent.end_step()
    now[0] += 3
    spent.wait(3.0)
    now[0] += 1
    spent.begin()
    now[0] += 1
    spent.train()
    assert spent.take() == Spent(waited=3.0, starting=2.0)


@given(st.lists(st.tuples(st.sampled_from(["step", "wait", "swap", "record"]), st.integers(0, 50))))
def test_no_second_is_told_twice(events: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        time_is = [0.0]
        patch.setattr(clock.time, "monotonic", lambda: time_is[0])
        spent, told, begun = Clock(0.0), 0.0, False
        for event, seconds in events:
            time_is[0] += seconds
            match event:
                case "wait":
                    spent.end_step()
                    spent.wait(float(seconds))
                case "swap":
                    spent.end_step()
                    spent.begin()
                    begun = False
                case "record" if begun:
                    part = spent.take()
                    told += spent.training + (part.waited or 0.0) + (part.starting or 0.0)
                    spent.train()
                case "step" if not begun:
                    spent.train()
                    begun = True
        assert told <= time_is[0]


def test_the_system_tells_when_this_process_began() -> None:
    assert 0.0 < time.monotonic() - process_start() < 24 * 3600.0


def test_a_system_that_does_not_tell_makes_it_now(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise OSError

    monkeypatch.setattr(clock.Path, "read_text", refuse)
    assert process_start() == 100.0


def test_a_trainers_first_report_says_what_its_start_took(population: Population) -> None:
    population.birth()
    before = time.monotonic()
    population.run()
    passed = time.monotonic() - before
    first, second = population.reported(1), population.reported(2)
    assert isinstance(first.starting, float)
    assert 0.01 < first.starting < passed
    assert (second.starting, first.waited, second.waited) == (UNSET, UNSET, UNSET)


def test_a_process_that_starts_anew_has_been_starting_since_the_last_step_of_its_former_image(
    population: Population,
) -> None:
    population.birth()
    trainer = population.start(in_place=True, total_steps=20_000)
    trainer.step_until("reported 4")
    time.sleep(1.0)  # the step takes long: the life after it isn't starting meanwhile
    population.exploit(population.reported(1), hyperparameters={"rate": 2.0, "layers": 5})
    began = time.monotonic()
    trainer.step_until("joined 0 2")
    trainer.step_until("reported 8")
    record = population.reported(2, incarnation=2)
    assert isinstance(record.starting, float)
    assert 0.01 < record.starting < time.monotonic() - began
