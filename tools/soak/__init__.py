"""Populations on the kind cluster that train under random faults: `python -m soak`."""
