"""What is known of the examples that need nothing but the SDK: what their optimizer's rate is by its schedule."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from frameworks.lives import Fact, Lives


@dataclass(frozen=True)
class Example:
    """One of the examples of frameworks.

    Attributes:
        name: of the script.
        schedule: what the birth's rate is multiplied by, by the steps that are done and the last one.
        saves: whether it can be saved between two reports, as a script that reports files can't.
    """

    name: str
    schedule: Callable[[int, int], float]
    saves: bool = True

    def rate(self, fact: Fact, *, total_steps: int) -> float:
        """The birth's rate times its schedule."""
        return float(fact["lr"] * self.schedule(fact["step"], total_steps))


def warmed_cosine(epoch: int, epochs: int) -> float:
    """Of the example of torch, whose epoch has four updates."""
    done = 4 * epoch
    return min(1, (done + 1) / 12) * 0.5 * (1 + math.cos(math.pi * done / (4 * epochs)))


RECIPES = [
    Example("torch_digits", warmed_cosine),
    Example("ppo_cartpole", lambda step, total: 1 - (step - 1) / total),
    Example("jax_digits", lambda step, _: 0.5 ** (step / 100)),
    Example("xgboost_digits", lambda *_: 1.0),
    Example("sklearn_digits", lambda step, _: (1 + 64 * step) ** -0.25),
    Example("lightgbm_digits", lambda *_: 1.0, saves=False),
    Example("ddp_digits", lambda epoch, _: 0.9**epoch),
]


def assert_lived(found: Lives, example: Example) -> None:
    """What holds after `Lives.back_and_forward` of a recipe.

    Each due step was reported once, the framework counted as the run did, the rate was the birth's times its schedule,
    and no two lives drew the same.
    """
    steps = {
        life: [fact["step"] for fact in found.reports(member=0, incarnation=life)] for life in range(1, 5)
    }
    assert steps == {1: [2, 4], 2: [6, 8], 3: [6], 4: [12]}
    assert [fact["step"] for fact in found.facts if fact["what"] == "swapped"] == [5, 11]
    for fact in found.counted:
        assert fact["counter"] == fact["step"], fact
        assert fact["rate"] == pytest.approx(example.rate(fact, total_steps=12), rel=1e-5), fact
    assert found.first_draws() == 5
