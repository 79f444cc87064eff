"""A trainer whose framework handles SIGTERM, from its first step on, and leaves the loop by itself."""

import signal
import sys

import pbt_trainer

asked = []
run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
previous = signal.getsignal(signal.SIGTERM)


def handle(number, frame):
    asked.append(number)
    previous(number, frame)
    print("handled", number, flush=True)


signal.signal(signal.SIGTERM, handle)
for step in run.steps():
    print("step", step, flush=True)
    sys.stdin.readline()
    if run.due:
        run.report({"score": step})
    if asked:
        break
