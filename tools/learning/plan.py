"""Which runs there are: by mode, and what the command line leaves of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from learning.judging import Cell
from learning.peers.job import Job
from learning.peers.registry import PEERS
from learning.registered import Registered
from learning.tasks import TOYS, make

PILOT = 20_000
"""The first seed of what isn't judged, so that nobody sees the judged ones."""

QUICK_ARMS = ("random", "schedule", "truncation-old", "horizon-20", "auto", "ray-async", "asha")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    Attributes:
        cells: each with its arms.
        seeds: of each cell and arm.
        minutes: after so long no further run is started; None: all are run.
    """

    cells: Mapping[Cell, Sequence[str]]
    seeds: Sequence[int]
    minutes: float | None = None

    def jobs(self) -> Iterator[Job]:
        """Seed by seed, so that whatever was run can be compared in pairs; the instance of a task is the seed's.

        What a peer can't search is left out.
        """
        for seed in self.seeds:
            for cell, arms in self.cells.items():
                for arm in arms:
                    if arm not in PEERS or PEERS[arm].refusal(make(cell.task)) is None:
                        yield Job(cell.task, cell.form, cell.members, seed, arm, instance=seed)

    @property
    def arms(self) -> list[str]:
        """All that run somewhere."""
        return list(dict.fromkeys(arm for arms in self.cells.values() for arm in arms))


def quick() -> Plan:
    """Five minutes: the toys as they are and annealed, and the arms that matter most."""
    cells = {Cell(task.name, form, 8): QUICK_ARMS for task in TOYS for form in ("constant", "annealed")}
    return Plan(cells, range(PILOT, PILOT + 100), minutes=4.5)


def normal(registered: Registered) -> Plan:
    """An hour: all forms and all arms, 8 and 16 members, and the real tasks."""
    cells = {cell: arms for cell, arms in registered.cells.items() if cell.members in {8, 16}}
    return Plan(cells, range(PILOT, PILOT + registered.seeds.number), minutes=55)


def full(registered: Registered) -> Plan:
    """A night: what is registered, all of it."""
    return Plan(registered.cells, [*registered.seeds])


def narrowed(
    plan: Plan,
    *,
    tasks: Sequence[str] = (),
    forms: Sequence[str] = (),
    members: Sequence[int] = (),
    arms: Sequence[str] = (),
    seeds: Sequence[int] = (),
    minutes: float | None = None,
) -> Plan:
    """A part of a plan, or one with other arms and seeds; what isn't given stays.

    Raises:
        ValueError: nothing is left.
    """
    cells = {
        cell: arms or plan.cells.get(cell, plan.arms)
        for task in tasks or dict.fromkeys(cell.task for cell in plan.cells)
        for form in forms or dict.fromkeys(cell.form for cell in plan.cells if cell.task == task)
        for number in members or dict.fromkeys(cell.members for cell in plan.cells if cell.task == task)
        if (cell := Cell(task, form, number)) in plan.cells or (tasks and forms and members)
    }
    if not cells:
        raise ValueError("the plan has none of these tasks: name their forms and members too")
    return Plan(cells, seeds or plan.seeds, minutes or plan.minutes)
