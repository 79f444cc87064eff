"""Deliberate defects of the product, each of which the simulation must catch: it can only prove what it can find."""
