"""A trainer with a forked worker that lives on."""

import os
import signal

import pbt_trainer

run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
worker = os.fork()
if worker == 0:
    os.close(1)
    signal.pause()
print("worker", worker, flush=True)
signal.pause()
