"""All deliberate defects by what they say, and the way to plant one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from simulate.defects import (
    of_blame,
    of_budgets,
    of_copies,
    of_ends,
    of_gates,
    of_keeping,
    of_pods,
    of_quorums,
    of_records,
    of_rounds,
    of_turns,
)

AREAS = (
    of_records,
    of_rounds,
    of_quorums,
    of_copies,
    of_gates,
    of_blame,
    of_keeping,
    of_pods,
    of_ends,
    of_budgets,
    of_turns,
)

DEFECTS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_").replace("_", " "): made for area in AREAS for made in area.MADE
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product has this defect for the length of the block."""
    with DEFECTS[name]():
        yield
