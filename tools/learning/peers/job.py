"""A job for a peer and its result, as the JSON lines that cross from the project's environment to that of the peers."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from learning.forms import form
from learning.peers.registry import PEERS
from learning.tasks import make


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a peer.

    Attributes:
        task: its name.
        form: the form's name.
        members: how many a population has: as many run at once, and the budget of steps is theirs.
        seed: of everything that is drawn.
        arm: the peer's name.
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


def done(job: Job) -> dict[str, Any]:
    """Runs a job in this process.

    Returns:
        The job's fields, those of the outcome, and `seconds` of CPU.

    Raises:
        ValueError: there is no such task or form.
        Unsupported: the peer can't search the task.
    """
    began = time.process_time()
    task = form(make(job.task, job.instance, published=job.published), job.form)
    outcome = PEERS[job.arm].run(task, job.members, job.seed)
    if outcome.steps and not math.isfinite(outcome.score):
        raise ArithmeticError(f"the true score is {outcome.score}")
    return {**asdict(job), **asdict(outcome), "seconds": round(time.process_time() - began, 4)}
