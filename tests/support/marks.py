"""Marks that follow from where a test lies and from the fixtures that it uses, and a guard of the mark `process`."""

import sys
import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

import pytest

# Each of these marks says that a test starts processes.
STARTING = frozenset({"process", "server", "chart", "cluster"})
_EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
_unmarked: list[str] = []


def mark(items: Sequence[pytest.Item], name: str, *, below: Path, using: Set[str] = frozenset()) -> None:
    """Marks the tests below a folder; with `using`, only those that use one of these fixtures."""
    for item in items:
        if item.path.is_relative_to(below) and (not using or using & _fixtures(item)):
            item.add_marker(name)


def _fixtures(item: pytest.Item) -> set[str]:
    """Of a test, directly or not; a fixture's parameter may be the name of another one that it asks for."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {*getattr(item, "fixturenames", ()), *(value for value in parameters if isinstance(value, str))}


@contextmanager
def guarded(item: pytest.Item) -> Iterator[None]:
    """In this block the test can start a process only if it is marked so: `make fast` leaves these out."""
    if any(found.name in STARTING for found in item.iter_markers()):
        yield
        return
    _unmarked.append(item.nodeid)
    try:
        yield
    finally:
        _unmarked.pop()


def _refuse(event: str, _: object) -> None:
    # Threads of fixtures that live as long as the session may start processes during any test.
    if event in _EVENTS and _unmarked and threading.current_thread() is threading.main_thread():
        raise AssertionError(f"{_unmarked[-1]} starts a process: mark it with @pytest.mark.process")


sys.addaudithook(_refuse)
