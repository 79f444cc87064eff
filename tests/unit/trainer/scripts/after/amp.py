"""Mixed precision with a gradient scaler; gradients of several batches are accumulated."""

import torch

import pbt_trainer

run = pbt_trainer.join({"lr": 1e-2, "clip": 1.0, "batches": 2}, total_steps=12, interval_steps=4)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = run.build(lambda: torch.optim.AdamW(model.parameters(), lr=run.hp["lr"]))()
scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
run.track(model=model, optimizer=optimizer, scaler=scaler)
for _ in run.steps():
    optimizer.zero_grad()
    for _ in range(run.hp["batches"]):
        inputs = torch.randn(8, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (model(inputs).squeeze(1) - inputs.sum(1)).square().mean() / run.hp["batches"]
        scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), run.hp["clip"])
    scaler.step(optimizer)
    scaler.update()
    if run.due:
        run.report({"score": -loss.detach()})
