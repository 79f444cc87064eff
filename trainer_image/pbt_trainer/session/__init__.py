"""A training process as a member of a population: joining, reporting, taking over, leaving."""
