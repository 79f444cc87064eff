"""OneCycle, which cycles the momentum too."""

import torch
from torch.optim.lr_scheduler import OneCycleLR

import pbt_trainer

run = pbt_trainer.join({"lr": 0.1, "warm": 0.3}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=run.hp["lr"], momentum=0.9)
schedule = OneCycleLR(optimizer, run.hp["lr"], total_steps=run.total_steps + 1, pct_start=run.hp["warm"])
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
