"""A trainer whose score is a pure function of weights, hyperparameters and step. Its steps take a little time."""

import os
import time

import pbt_trainer


class Weight:
    """One number that is trained."""

    def __init__(self):
        self.w = 0.0

    def state_dict(self):
        return {"w": self.w}

    def load_state_dict(self, state):
        self.w = state["w"]


run = pbt_trainer.join({"rate": 0.01, "depth": 1}, total_steps=60, interval_steps=10)
weight = Weight()
run.track(weight=weight)
step_seconds = float(os.environ.get("STEP_SECONDS", "0"))
for step in run.steps():
    time.sleep(step_seconds)
    weight.w += run.hp["rate"] * (1.0 - weight.w) - 0.001 * run.hp["depth"]
    print(f"step {step}", flush=True)
    if run.due:
        run.report({"score": weight.w - 0.1 * run.hp["rate"]})
