"""A trainer whose optimizer and schedule come from a build function."""

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

import pbt_trainer

torch.set_num_threads(1)
run = pbt_trainer.join({"rate": 0.1, "width": 3}, total_steps=60, interval_steps=30)
width = run.hp["width"]
model = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, 1))


@run.build
def build():
    optimizer = torch.optim.SGD(model.parameters(), lr=run.hp["rate"], momentum=0.9)
    return {"optimizer": optimizer, "schedule": CosineAnnealingLR(optimizer, run.total_steps)}


run.track(model=model)
for _ in run.steps():
    loss = model(torch.randn(4, 2)).square().mean()
    run.built["optimizer"].zero_grad()
    loss.backward()
    run.built["optimizer"].step()
    run.built["schedule"].step()
    if run.due:
        run.report({"score": -loss.detach()})
