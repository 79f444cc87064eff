"""What a loop is told of its run: what to do next, and why it ended."""

from enum import Enum, auto


class Advance(Enum):
    """What `Run.advance` says about the step to do next."""

    GO = auto()
    SWAPPED = auto()  # do it as well, but everything tracked was replaced and `run.step` has jumped
    STOP = auto()


def next_due(step: int, interval_steps: int, total_steps: int) -> str:
    """When the next report is due after a step, as the end of a sentence."""
    if step >= total_steps:
        return ", and it is the last one"
    return f": the next report is at step {min((step // interval_steps + 1) * interval_steps, total_steps)}"


class Stopped(Enum):
    """Why a run stopped."""

    FINISHED = auto()  # the last step was reported and stored, or the script called `finish`
    TERMINATED = auto()  # SIGTERM; saved where that made sense
    REPLACED = auto()  # another process is this member now
