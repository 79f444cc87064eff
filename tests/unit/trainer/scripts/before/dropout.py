"""Dropout that the loop reads."""

import torch
from torch.nn import functional

import pbt_trainer

run = pbt_trainer.join({"lr": 1e-2, "dropout": 0.1}, total_steps=12, interval_steps=4)
first, last = torch.nn.Linear(4, 16), torch.nn.Linear(16, 1)
optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=run.hp["lr"])
run.track(first=first, last=last, optimizer=optimizer)
for _ in run.steps():
    inputs = torch.randn(16, 4)
    hidden = functional.dropout(torch.relu(first(inputs)), run.hp["dropout"])
    loss = (last(hidden).squeeze(1) - inputs.sum(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if run.due:
        run.report({"score": -loss.detach()})
