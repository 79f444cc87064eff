"""A trainer without a mistake, in plain Python."""

import random

import pbt_trainer


class Point:
    def __init__(self) -> None:
        self.x, self.moves = 1.0, 0

    def state_dict(self):
        return {"x": self.x, "moves": self.moves}

    def load_state_dict(self, state) -> None:
        self.x, self.moves = state["x"], state["moves"]


run = pbt_trainer.join({"rate": 0.1, "noise": 0.01}, total_steps=60, interval_steps=30)
point = Point()
noise = run.hp["noise"]
run.track(point=point)
for _ in run.steps():
    point.x -= run.hp["rate"] * point.x + noise * random.random()
    point.moves += 1
    if run.due:
        run.report({"score": -abs(point.x), "moves": point.moves})
