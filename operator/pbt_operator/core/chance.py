"""All randomness: a generator for each draw, keyed by what is drawn and never by time or incarnation.

So the same scores give the same decisions on any machine, after any crash, however often a member was resumed.
"""

from random import Random


def chance(seed: int, round_number: int, member: int, purpose: str) -> Random:
    """The generator of one purpose of one member in one round."""
    return Random(f"{seed}/{round_number}/{member}/{purpose}")
