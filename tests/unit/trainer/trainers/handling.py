"""A trainer that handles SIGTERM itself, too."""

import signal
import sys

import pbt_trainer

signal.signal(signal.SIGTERM, lambda number, frame: print("handled", number, flush=True))
run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
for step in run.steps():
    print("step", step, flush=True)
    sys.stdin.readline()
    if run.due:
        run.report({"score": step})
