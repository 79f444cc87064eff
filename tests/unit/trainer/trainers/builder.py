"""A trainer with torch, whose build function does what its argument names. Each step waits for a line."""

import random
import sys

import torch

import pbt_trainer

how = sys.argv[1] if sys.argv[1:] else ""
run = pbt_trainer.join({"lr": 0.1}, total_steps=8, interval_steps=4)
model = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.zeros_(model.weight)
calls = []


@run.build
def build():
    calls.append(random.random())
    again = len(calls) > 1
    if again and how == "fails":
        raise ValueError("no such rate")
    if again and how == "class":
        return {"optimizer": torch.optim.Adam(model.parameters(), lr=run.hp["lr"])}
    name = "other" if again and how == "names" else "optimizer"
    return {name: torch.optim.SGD(model.parameters(), lr=run.hp["lr"], momentum=0.5)}


run.track(model=model)
optimizer = run.built["optimizer"]
memory = model.weight.data_ptr()
print("joined", flush=True)


@run.on_restore
def restored(run):
    momentum = optimizer.state[model.weight]["momentum_buffer"].item()
    same = model.weight.data_ptr() == memory
    print(
        "restored", run.step, model.weight.item(), optimizer.param_groups[0]["lr"], momentum, same, flush=True
    )


for step in run.steps():
    print("step", step, run.incarnation, run.hp["lr"], flush=True)
    sys.stdin.readline()
    model.weight.grad = torch.ones(1, 1)
    optimizer.step()
    print("drew", random.random(), torch.rand(1).item(), flush=True)
    if run.due:
        run.report({"score": model.weight[0]})
