"""A job and its result, as the JSON lines that cross to a worker: of our own arms, or of the peers."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from learning.forms import form
from learning.peers.registry import PEERS
from learning.task import Task
from learning.tasks import make

Run = Callable[[Task, int, int], Any]
"""An arm: a task in its form, the number of members, and a seed; to a dataclass with `score` and `steps`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of an arm.

    Attributes:
        task: its name.
        form: the form's name.
        members: how many a population has: as many run at once, and the budget of steps is theirs.
        seed: of everything that is drawn.
        arm: its name.
        instance: which of the task's family.
        published: the task as the literature has it.
    """

    task: str
    form: str
    members: int
    seed: int
    arm: str
    instance: int = 0
    published: bool = False


def read(line: str | bytes) -> Job:
    """The job of a line.

    Raises:
        ValueError: it is none, or names an arm that there isn't.
    """
    job = msgspec.json.decode(line, type=Job)
    if job.arm not in PEERS:
        raise ValueError(f"there is no peer {job.arm!r}; there are {', '.join(PEERS)}")
    return job


def write(line: dict[str, Any]) -> str:
    """A result as a line without its end. NaN is null."""
    return msgspec.json.encode(line).decode()


def done(job: Job, run: Run) -> dict[str, Any]:
    """Runs a job in this process.

    Args:
        job: what is run.
        run: its arm.

    Returns:
        The job's fields, those of the outcome, and `seconds` of CPU.

    Raises:
        ValueError: there is no such task or form.
        ArithmeticError: members were trained, and the true score is NaN.
        Unsupported: the peer can't search the task.
    """
    began = time.process_time()
    task = form(make(job.task, job.instance, published=job.published), job.form)
    outcome = run(task, job.members, job.seed)
    if outcome.steps and not math.isfinite(outcome.score):
        raise ArithmeticError(f"the true score is {outcome.score}")
    return {**asdict(job), **asdict(outcome), "seconds": round(time.process_time() - began, 4)}
