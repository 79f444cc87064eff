"""All deliberate defects by what they say, and the way to plant one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    of_reads,
    of_records,
    of_rounds,
    of_turns,
)
from simulate.defects.caught_at import NOTED
from simulate.experiment import Experiment, run
from simulate.world import READS_FROM, ROOM_FROM

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
    of_reads,
)

DEFECTS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_").replace("_", " "): made for area in AREAS for made in area.MADE
}

MOST = 1000
"""In so many seeds each defect must be caught."""

FIRST_SEEDS = {
    "stragglers are judged by a round again and again": MOST,
    "how a blameless life ended is not recorded": MOST,
    "a life is asked only once": READS_FROM,
}
"""Where the thousand begins of defects of which few worlds tell, and none of the first ones."""

CAUGHT_BY = {**of_ends.CAUGHT_BY, **of_turns.CAUGHT_BY, **of_blame.CAUGHT_BY, **of_parts.CAUGHT_BY}
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


def seeds_of(name: str) -> range:
    """The seeds that may show a defect: those where room or reads may lack, and rounds lie in pieces, begin later."""
    made = DEFECTS[name]
    first = ROOM_FROM if made in {*of_turns.MADE, *of_parts.MADE} else 0
    if made in of_reads.MADE:
        first = READS_FROM
    elif made in of_pieces.MADE:
        first = ROOM_FROM + MOST // 2
    first = FIRST_SEEDS.get(name, first)
    return range(first, first + MOST)


def shown_by(name: str) -> int | None:
    """A seed that shows a defect: the one that did so last, else the first of all; None if none of them does."""
    noted = [NOTED[name]] if name in NOTED else []
    seeds: Iterable[int] = (*noted, *seeds_of(name))
    if DEFECTS[name] in of_pieces.MADE:  # few worlds have pieces
        seeds = (seed for seed in seeds if Experiment(seed).sizes)
    if DEFECTS[name] in of_reads.MADE:
        seeds = (seed for seed in seeds if Experiment(seed).few)
    with planted(name):
        return next((seed for seed in seeds if is_caught(name, run(seed).wrong)), None)
