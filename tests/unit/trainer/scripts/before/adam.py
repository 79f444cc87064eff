"""Adam with a rate, betas and decay."""

import torch

import pbt_trainer

run = pbt_trainer.join({"lr": 1e-2, "beta": 0.9, "decay": 0.01}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(
    model.parameters(),
    lr=run.hp["lr"],
    betas=(run.hp["beta"], 0.999),
    weight_decay=run.hp["decay"],
)
run.track(model=model, optimizer=optimizer)
for _ in run.steps():
    inputs = torch.randn(16, 4)
    loss = (model(inputs).squeeze(1) - inputs.sum(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if run.due:
        run.report({"score": -loss.detach()})
