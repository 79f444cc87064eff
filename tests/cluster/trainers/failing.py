"""A trainer that can't go on after a few steps: every member, or the one that FAILING names."""

import os
import sys

import pbt_trainer

run = pbt_trainer.join({"rate": 0.01, "depth": 1}, total_steps=20, interval_steps=10)
for step in run.steps():
    print(f"step {step}", flush=True)
    if step == 3 and os.environ.get("FAILING") in {None, str(run.member)}:
        # Not to stderr: a container's two streams reach its log in any order.
        print(f"the data set of member {run.member} is made of cheese", flush=True)
        sys.exit(1)
    if run.due:
        run.report({"score": float(step)})
