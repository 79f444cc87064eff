"""What the script of one world does by itself: regions of the search space that crash, mistakes, evaluations."""

from typing import NamedTuple

from simulate.world import World

MISTAKE = 83
CRASH = 1


class Fall(NamedTuple):
    """How a process ends by its script's fault."""

    code: int
    message: str


class Script:
    """Drawn from the seed, and the same until the end: no weather clears it.

    Attributes:
        crashes_above: values of the hyperparameter above this one crash; None where all of them train.
        after_steps: in a region, a life comes so far.
        chance: in a region, the probability of a crash at each step from then on.
        is_mistaken: it says at once that it doesn't fit its manifest, in every member.
        mistaken: the one member in which it says so; None where that is nobody or all.
        is_pure: nothing else is a trainer's fault in this world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        drawn = world.chance("script")
        kind = drawn.random()
        self.crashes_above = drawn.choice((0.5, 0.7)) if kind < 0.3 else None
        self.after_steps = drawn.choice((0, 0, 2, 7))
        self.chance = drawn.choice((1.0, 1.0, 0.2))
        self.is_mistaken = 0.3 <= kind < 0.33
        self.mistaken = drawn.randrange(3) if 0.33 <= kind < 0.37 else None
        self.is_pure = self.is_mistaken or (self.crashes_above is not None and drawn.random() < 0.5)
        self._luck = world.chance("luck")
        self._evaluates_often = world.chance("evaluations").random() >= 0.7

    def fall(self, member: int, rate: float, *, steps: int) -> Fall | None:
        """How a life ends at its next step, if it does.

        Args:
            member: whose it is.
            rate: its hyperparameter.
            steps: how many it has made.
        """
        if self.is_mistaken or member == self.mistaken:
            return Fall(MISTAKE, "UsageError: the manifest has a hyperparameter that the script doesn't name")
        if self.crashes_above is None or rate <= self.crashes_above or steps < self.after_steps:
            return None
        if self._luck.random() >= self.chance:
            return None
        return Fall(CRASH, f"FloatingPointError: rate {rate:.3f} overflows")

    def evaluated(self, score: float) -> float | list[float]:
        """One evaluation, or several around it: as many in all reports of a world."""
        return [score - 0.25, score, score + 0.25] if self._evaluates_often else score
