"""The real core, reconcile and trainer protocol in one thread and virtual time: thousands of steps in milliseconds."""

from simulation.runner import Simulation
from simulation.trainable import Trainable, TrainerCrashed

__all__ = ["Simulation", "Trainable", "TrainerCrashed"]
