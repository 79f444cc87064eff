"""A trainer with a state of 100 MB, every number of which has to come back from a restore."""

import os

import numpy as np

import pbt_trainer

NUMBERS = 12_500_000


class Large:
    """So many numbers of 8 bytes, which depend on the step."""

    def __init__(self):
        self.numbers = np.arange(NUMBERS, dtype=np.float64)

    def state_dict(self):
        return {"numbers": self.numbers}

    def load_state_dict(self, state):
        self.numbers = state["numbers"]


run = pbt_trainer.join({"rate": 0.01, "depth": 1}, total_steps=3, interval_steps=1)
large = Large()
run.track(large=large)
if not np.array_equal(large.numbers, np.arange(NUMBERS, dtype=np.float64) + run.step):
    raise SystemExit(f"the numbers of step {run.step} came back as others")
memory = os.statvfs("/dev/shm")
for _ in run.steps():
    large.numbers = large.numbers + 1
    run.report({"score": float(run.step), "shared_memory": memory.f_blocks * memory.f_frsize})
