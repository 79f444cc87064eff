"""A model of a given size that computes: what a report stops it for, beside a plain copy of the same state."""

import os
import time
from statistics import median

import torch
from workload import Marks, State, Training

import pbt_trainer

NUM_TENSORS = 16
COPIES = 3

marks = Marks()
run = pbt_trainer.join({"lr": 0.5}, total_steps=40, interval_steps=5)
marks.member = str(run.member)
numel = int(os.environ["BENCH_BYTES"]) // 4 // NUM_TENSORS
model = torch.nn.ParameterList(torch.rand(numel) for _ in range(NUM_TENSORS))
spare = [torch.zeros(numel) for _ in range(NUM_TENSORS)]
training = Training(marks, State(1 << 12, marks.member))
checkpoints = os.environ.get("BENCH_CHECKPOINTS") == "1"
if checkpoints:
    run.track(model=model)


@torch.no_grad()
def copy_seconds() -> float:
    """A copy of the state into memory that is there already."""
    taken = []
    for _ in range(COPIES):
        began = time.perf_counter()
        for kept, parameter in zip(spare, model, strict=True):
            kept.copy_(parameter)
        taken.append(time.perf_counter() - began)
    return median(taken)


for step in run.steps():
    score = training.step(step, run.hp["lr"])
    if run.due:
        copying = copy_seconds()
        began = time.perf_counter()
        run.report({"score": score})
        marks.note("reported", step=step, stall=time.perf_counter() - began, copy=copying)
