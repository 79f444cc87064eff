"""All deliberate defects by what they say, and the way to plant one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from simulate.defects import (
    of_blame,
    of_budgets,
    of_copies,
    of_ends,
    of_gates,
    of_keeping,
    of_parts,
    of_pieces,
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
    of_parts,
    of_pieces,
)

DEFECTS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_").replace("_", " "): made for area in AREAS for made in area.MADE
}

CAUGHT_BY = {**of_turns.CAUGHT_BY, **of_blame.CAUGHT_BY, **of_parts.CAUGHT_BY}
"""The number of the law that must tell of a defect; of those that aren't named here, any law may."""


def is_caught(name: str, wrong: Sequence[str]) -> bool:
    """Whether what is wrong in a world tells of a defect.

    Args:
        name: of the defect.
        wrong: what broke a law: the time, the law's number, and what happened.
    """
    law = CAUGHT_BY.get(DEFECTS[name])
    return any(law is None or f" s: {law}:" in one for one in wrong)


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product has this defect for the length of the block."""
    with DEFECTS[name]():
        yield
