"""The trainer SDK: joins a training script to a population, or lets it run alone.

    import pbt_trainer

    run = pbt_trainer.join({"lr": 1e-3}, total_steps=4000, interval_steps=200)
    model = build()
    optimizer = run.build(lambda: SGD(model.parameters(), run.hp["lr"]))()
    run.track(model=model, optimizer=optimizer)
    for step in run.steps():
        train_step(model, optimizer)
        if run.due:
            run.report({"val_accuracy": evaluate(model)})

Importing it loads neither torch nor boto3. The courier, a process of its own at each start, imports this file too and
needs nothing of what scripts call: that is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pbt_contract.errors import (
    CorruptCheckpoint,
    ExitCode,
    KeyRefused,
    NotFound,
    PbtError,
    RecordRefused,
    StateError,
    StoreRefused,
    StoreUnavailable,
    UsageError,
)

if TYPE_CHECKING:
    from pbt_trainer.checkpoint import Checkpoint
    from pbt_trainer.joining import join
    from pbt_trainer.loop import Advance, Stopped
    from pbt_trainer.run import Run
    from pbt_trainer.state.optional import optional
    from pbt_trainer.state.trainable import trainable
    from pbt_trainer.window import Episode, Window

__all__ = [
    "Advance",
    "Checkpoint",
    "CorruptCheckpoint",
    "Episode",
    "ExitCode",
    "KeyRefused",
    "NotFound",
    "PbtError",
    "RecordRefused",
    "Run",
    "StateError",
    "Stopped",
    "StoreRefused",
    "StoreUnavailable",
    "UsageError",
    "Window",
    "join",
    "optional",
    "trainable",
]

_MODULES = {
    "Advance": "pbt_trainer.loop",
    "Checkpoint": "pbt_trainer.checkpoint",
    "Episode": "pbt_trainer.window",
    "Run": "pbt_trainer.run",
    "Stopped": "pbt_trainer.loop",
    "Window": "pbt_trainer.window",
    "join": "pbt_trainer.joining",
    "optional": "pbt_trainer.state.optional",
    "trainable": "pbt_trainer.state.trainable",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
