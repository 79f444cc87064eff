"""The toy of the PBT paper's figure 2: a surrogate that is trained, and a true objective that is not.

Q = 1.2 - (0.75 a^2 + b^2) is to be maximised, but gradient ascent sees only 1.2 - (h0 a^2 + h1 b^2). No fixed h gets
near 1.2 from h = (1, 0) or (0, 1); PBT does. Plain Python: nothing to install.
"""

import pbt_trainer

RATE = 0.01


class Point:
    """Two weights."""

    def __init__(self) -> None:
        self.a = self.b = 0.9

    def state_dict(self) -> dict[str, float]:
        return {"a": self.a, "b": self.b}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.a, self.b = state["a"], state["b"]


run = pbt_trainer.join({"h0": 1.0, "h1": 1.0}, total_steps=200, interval_steps=10)
point = Point()
run.track(point=point)
for _ in run.steps():
    point.a -= RATE * 2 * run.hp["h0"] * point.a
    point.b -= RATE * 2 * run.hp["h1"] * point.b
    if run.due:
        run.report({"q": 1.2 - (0.75 * point.a**2 + point.b**2)})
