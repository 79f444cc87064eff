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

Importing it loads neither torch nor boto3.
"""

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
