"""A trainer that is a population of twins: it tracks nothing, seeds everybody alike, and its score is a constant."""

import random

import pbt_trainer

run = pbt_trainer.join({"rate": 0.1, "noise": 0.01}, total_steps=60, interval_steps=30)
random.seed(0)
for _ in run.steps():
    assert run.hp["rate"] > 0
    if run.due:
        run.report({"score": 1.0})
