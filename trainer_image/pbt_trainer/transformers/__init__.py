"""Training by Transformers' Trainer: `train(trainer, run, "eval_accuracy")`. Tested with Transformers 5.24."""

from pbt_trainer.transformers.training import train

__all__ = ["train"]
