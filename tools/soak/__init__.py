"""Populations on the kind cluster that train under random faults, `make soak`."""
