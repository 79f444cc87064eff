"""All deliberate defects by what they say, and the way to plant one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from simulate.defects import of_ends, of_pods, of_records, of_rounds

DEFECTS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_").replace("_", " "): made
    for made in (*of_records.MADE, *of_rounds.MADE, *of_pods.MADE, *of_ends.MADE)
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product has this defect for the length of the block."""
    with DEFECTS[name]():
        yield
