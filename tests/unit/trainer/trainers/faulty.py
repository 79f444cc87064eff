"""Trainers that break the contract, by name."""

import sys

import pbt_trainer

run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
for _ in run.steps():
    if run.due and sys.argv[1] == "lacking":
        run.report({"loss": 1, "other": 2})
    if run.due and sys.argv[1] == "crashing":
        run.report({"score": 1})
        raise RuntimeError("a fault of the script")
