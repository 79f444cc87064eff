"""A model under torch.compile."""

import torch

import pbt_trainer

run = pbt_trainer.join({"lr": 1e-2, "decay": 0.01}, total_steps=12, interval_steps=4)
model = torch.compile(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh()), backend="eager")
head = torch.nn.Linear(8, 1)
parameters = [*model.parameters(), *head.parameters()]
optimizer = run.build(lambda: torch.optim.AdamW(parameters, lr=run.hp["lr"], weight_decay=run.hp["decay"]))()
run.track(model=model, head=head, optimizer=optimizer)
for _ in run.steps():
    inputs = torch.randn(16, 4)
    loss = (head(model(inputs)).squeeze(1) - inputs.sum(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if run.due:
        run.report({"score": -loss.detach()})
