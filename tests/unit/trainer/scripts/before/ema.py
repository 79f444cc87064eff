"""An average of the weights, whose decay the loop reads."""

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import pbt_trainer

run = pbt_trainer.join({"lr": 1e-2, "decay": 0.9}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.RAdam(model.parameters(), lr=run.hp["lr"])
average = AveragedModel(model)
run.track(model=model, optimizer=optimizer, average=average)
for _ in run.steps():
    inputs = torch.randn(16, 4)
    loss = (model(inputs).squeeze(1) - inputs.sum(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    average.multi_avg_fn = get_ema_multi_avg_fn(run.hp["decay"])
    average.update_parameters(model)
    if run.due:
        run.report({"score": -(average(inputs).squeeze(1) - inputs.sum(1)).square().mean().detach()})
