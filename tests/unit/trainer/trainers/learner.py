"""A trainer with torch, whose loop reads no hyperparameter. Each step waits for a line."""

import sys

import torch

import pbt_trainer

run = pbt_trainer.join({"lr": 0.1}, total_steps=8, interval_steps=4)
model = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.zeros_(model.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=run.hp["lr"], momentum=0.5)
run.track(model=model, optimizer=optimizer)
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
    print("step", step, flush=True)
    sys.stdin.readline()
    model.weight.grad = torch.ones(1, 1)
    optimizer.step()
    if run.due:
        run.report({"score": model.weight[0]})
