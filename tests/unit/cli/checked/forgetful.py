"""A trainer whose object doesn't load all that it saves."""

import pbt_trainer


class Point:
    def __init__(self) -> None:
        self.x, self.moves = 1.0, 0

    def state_dict(self):
        return {"x": self.x, "moves": self.moves}

    def load_state_dict(self, state) -> None:
        self.x = state["x"]


run = pbt_trainer.join({"rate": 0.1}, total_steps=60, interval_steps=30)
point = Point()
run.track(point=point)
for _ in run.steps():
    point.x -= run.hp["rate"] * point.x
    point.moves += 1
    if run.due:
        run.report({"score": -abs(point.x)})
