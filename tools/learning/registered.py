"""What is judged, and how: the file that is committed before the run that it judges."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from learning.judging import Cell

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "learning" / "registered.json"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the file. What isn't a field of it is a mistake."""


class Seeds(Strict, frozen=True):
    """So many seeds from the first one on."""

    first: int
    number: int

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.first + self.number))


class Range(Strict, frozen=True):
    """Of a task's true score: what is 0 and 1 of the figure, and where 1 comes from."""

    start: float
    optimum: float
    source: str


class Group(Strict, frozen=True):
    """Tasks with the forms and numbers of members in which they are run; by some arms, or by all."""

    tasks: tuple[str, ...]
    forms: tuple[str, ...]
    members: tuple[int, ...]
    arms: tuple[str, ...] | None = None

    def cells(self) -> Iterator[Cell]:
        """Each of its tasks in each form with each number of members."""
        for task in self.tasks:
            for form in self.forms:
                yield from (Cell(task, form, members) for members in self.members)


class Claim(Strict, frozen=True):
    """What is to be shown of the figure: an arm is above another one, or not inferior by the margin."""

    arm: str
    against: str
    members: tuple[int, ...]
    is_: Literal["above", "nonInferior"] = msgspec.field(name="is")


class Mode(Strict, frozen=True):
    """Which of a peer's modes is the one that we are compared with: the better one on other seeds."""

    arms: tuple[str, ...]
    seeds: Seeds
    chosen: str | None = None


class Power(Strict, frozen=True):
    """How the number of seeds was found: the widest differences of equal arms, and what the test is to show."""

    power: float
    deviations: Mapping[str, float]
    needed: Mapping[str, int]


class Registered(Strict, frozen=True):
    """The file.

    Attributes:
        seeds: those that are judged. Nothing is tuned on them.
        margin: an arm that is worse by less isn't inferior: a share of 1 - random search.
        alpha: the level of each family of tests, after Holm.
        saturated: a cell in which random search is above it isn't compared.
        ranges: by task.
        groups: the cells.
        arms: those that run in every group that doesn't name its own.
        arm: the one that must not be inferior to random search in any cell, and is to be above it in most.
        above: in which share of the cells that aren't saturated.
        claims: about the figure.
        mode: of Ray's Population Based Training.
        power: the calculation of the number of seeds.
    """

    seeds: Seeds
    margin: float
    alpha: float
    saturated: float
    ranges: Mapping[str, Range]
    groups: tuple[Group, ...]
    arms: tuple[str, ...]
    arm: str
    above: float
    claims: tuple[Claim, ...]
    mode: Mode
    power: Power | None = None

    @property
    def cells(self) -> dict[Cell, tuple[str, ...]]:
        """All that are run, group by group, with their arms."""
        found: dict[Cell, tuple[str, ...]] = {}
        for group in self.groups:
            for cell in group.cells():
                found[cell] = (*found.get(cell, ()), *(self.arms if group.arms is None else group.arms))
        return found


def read(file: Path = FILE) -> Registered:
    """The file.

    Raises:
        ValueError: it isn't as it should be.
    """
    return msgspec.json.decode(file.read_bytes(), type=Registered)
