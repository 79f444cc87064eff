"""SGD under a cosine schedule."""

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

import pbt_trainer

run = pbt_trainer.join({"lr": 0.1, "momentum": 0.9}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=run.hp["lr"], momentum=run.hp["momentum"])
schedule = CosineAnnealingLR(optimizer, run.total_steps)
run.track(model=model, optimizer=optimizer, schedule=schedule)
for _ in run.steps():
    inputs = torch.randn(16, 4)
    loss = (model(inputs).squeeze(1) - inputs.sum(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if run.due:
        run.report({"score": -loss.detach()})
