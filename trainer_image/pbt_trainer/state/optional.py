"""What a checkpoint may lack: an object that a script has only begun to track."""

from typing import Any, NamedTuple


class Optional(NamedTuple):
    """An object that starts as it was built where the checkpoint doesn't have it."""

    value: Any


def optional(value: Any) -> Any:
    """Marks an object for `track` as one that a checkpoint may lack: then it starts as the script has built it.

    Without the mark an object that a checkpoint lacks is an error, since a misspelt name would silently lose its
    state. Use it for an object that older checkpoints of the population don't have:
    `run.track(model=model, average=pbt_trainer.optional(average))`.
    """
    return Optional(value)
