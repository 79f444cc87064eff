"""One pass over a population, from what is known to the pods that should run."""
