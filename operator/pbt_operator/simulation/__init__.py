"""The real core, reconcile and trainer protocol in one thread and virtual time: thousands of steps in milliseconds."""

from pbt_operator.simulation.runner import Simulation
from pbt_operator.simulation.trainable import Trainable, TrainerCrashed

__all__ = ["Simulation", "Trainable", "TrainerCrashed"]
