"""Reads a checkpoint outside of a population: `with Checkpoint(folder) as found: found.state(name)`."""

from pbt_trainer.state.checkpoint_files import Checkpoint

__all__ = ["Checkpoint"]
