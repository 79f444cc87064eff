"""A generator and a discriminator with a rate and a beta each."""

import torch
from torch.optim import Adam

import pbt_trainer

run = pbt_trainer.join({"g_lr": 2e-3, "d_lr": 1e-3, "beta": 0.5}, total_steps=12, interval_steps=4)
generator = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
discriminator = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
judge = torch.nn.BCEWithLogitsLoss()
makes = Adam(generator.parameters(), run.hp["g_lr"], (run.hp["beta"], 0.999))
tells = Adam(discriminator.parameters(), run.hp["d_lr"], (run.hp["beta"], 0.999))
run.track(generator=generator, discriminator=discriminator, makes=makes, tells=tells)
for _ in run.steps():
    real, fake = torch.randn(16, 1) + 3.0, generator(torch.randn(16, 2))
    yes, no = torch.ones(16, 1), torch.zeros(16, 1)
    tells.zero_grad()
    (judge(discriminator(real), yes) + judge(discriminator(fake.detach()), no)).backward()
    tells.step()
    makes.zero_grad()
    judge(discriminator(fake), yes).backward()
    makes.step()
    if run.due:
        run.report({"score": -(fake.mean() - 3.0).abs().detach()})
