"""Training by Lightning: `Trainer(callbacks=[PopulationCallback(run, "val_acc")])`. Tested with Lightning 2.6."""

from pbt_trainer.lightning.callback import PopulationCallback

__all__ = ["PopulationCallback"]
