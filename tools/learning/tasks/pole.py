"""The pole on a cart: the equations of gymnasium's CartPole-v1 (Barto, Sutton and Anderson 1983), many at once."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GRAVITY, CART, POLE, HALF, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
"""Of the cart and the pole: masses in kg, half the pole's length in m, the push in N, a step in s."""


def upright(draw: np.random.Generator, number: int) -> Array:
    """Poles at the start of an episode: place and speed of the cart, angle and its speed (number, 4)."""
    return draw.uniform(-0.05, 0.05, (number, 4))


def moved(poles: Array, actions: NDArray[np.int64]) -> Array:
    """Poles a step later; action 1 pushes to the right, 0 to the left."""
    force = np.where(actions == 1, FORCE, -FORCE)
    place, speed, angle, turning = poles.T
    cosine, sine = np.cos(angle), np.sin(angle)
    push = (force + POLE * HALF * turning**2 * sine) / (CART + POLE)
    falling = (GRAVITY * sine - cosine * push) / (HALF * (4 / 3 - POLE * cosine**2 / (CART + POLE)))
    sliding = push - POLE * HALF * falling * cosine / (CART + POLE)
    return np.stack(
        [
            place + SECONDS * speed,
            speed + SECONDS * sliding,
            angle + SECONDS * turning,
            turning + SECONDS * falling,
        ],
        axis=1,
    )


def fallen(poles: Array) -> NDArray[np.bool_]:
    """Whether an episode has failed: the cart is out of bounds, or the pole leans by more than 12 degrees."""
    return (np.abs(poles[:, 0]) > 2.4) | (np.abs(poles[:, 2]) > math.radians(12))
