"""A trainer whose steps last until they are lost; a report is due after each."""

import time

import pbt_trainer


class Weight:
    value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=99, interval_steps=1)
weight = Weight()
run.track(weight=weight)
for step in run.steps():
    print("step", step, run.incarnation, weight.value, run.hp["rate"], flush=True)
    while not run.superseded:
        time.sleep(0.01)
    print("left", step, flush=True)
