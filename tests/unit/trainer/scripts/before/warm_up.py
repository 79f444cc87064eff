"""The length of the warm-up is a hyperparameter."""

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

import pbt_trainer

run = pbt_trainer.join({"lr": 0.1, "warm_up": 4}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=run.hp["lr"])
warm_up = LinearLR(optimizer, start_factor=0.1, total_iters=run.hp["warm_up"])
cosine = CosineAnnealingLR(optimizer, run.total_steps - run.hp["warm_up"])
schedule = SequentialLR(optimizer, [warm_up, cosine], milestones=[run.hp["warm_up"]])
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
