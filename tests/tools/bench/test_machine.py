"""The load of others: of all processes that aren't below the benchmark, whatever becomes of their parents."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bench import machine

ME = os.getpid()
OURS, GRANDCHILD, OTHER, THREAD = 1_000_001, 1_000_002, 1_000_003, 1_000_004
"""Numbers that no process has."""


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks at one table of processes after the other: by number the parent and the CPU seconds."""

    def look(*tables: Mapping[int, tuple[int, float]]) -> float:
        rows: Iterator[Mapping[int, tuple[int, float]]] = iter(tables)

        def processes() -> Iterator[Any]:
            table = {ME: (1, 99.0), **next(rows)}
            return iter([(machine._Process(pid, 0), told) for pid, told in table.items()])

        monkeypatch.setattr(machine, "_processes", processes)
        found = machine._Others()
        for _ in tables[1:]:
            found._look(counting=True)
        return found.seconds

    return look


def test_what_others_used_in_between_counts_and_what_they_had_used_before_does_not(others: Any) -> None:
    assert others({OTHER: (1, 5.0)}, {OTHER: (1, 5.5)}, {OTHER: (1, 7.0)}) == 2.0


def test_a_process_that_comes_and_goes_counts_as_far_as_it_was_seen(others: Any) -> None:
    assert others({}, {OTHER: (1, 1.5)}, {}) == 1.5


def test_what_is_below_the_benchmark_stays_its_own_when_its_parent_is_gone(others: Any) -> None:
    below = {OURS: (ME, 1.0), GRANDCHILD: (OURS, 1.0)}
    assert others({}, below, {GRANDCHILD: (1, 9.0)}) == 0.0


def test_threads_of_the_kernel_do_not_count(others: Any) -> None:
    assert others({}, {machine.KERNEL: (0, 3.0), THREAD: (machine.KERNEL, 3.0)}) == 0.0


def test_this_process_is_seen_and_is_not_an_other() -> None:
    assert any(process.pid == ME for process, _ in machine._processes())
    with machine.watched() as usage:
        pass
    assert usage.others >= 0.0
    assert usage.seconds > 0.0
