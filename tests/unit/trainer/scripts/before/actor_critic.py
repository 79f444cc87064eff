"""Actor and critic, each with a rate of its own; the entropy bonus is read in the loop."""

import torch
from torch.optim import Adam

import pbt_trainer

run = pbt_trainer.join(
    {"actor_lr": 1e-2, "critic_lr": 3e-2, "entropy": 0.01}, total_steps=12, interval_steps=4
)
actor, critic = torch.nn.Linear(4, 2), torch.nn.Linear(4, 1)
actor_optimizer = Adam(actor.parameters(), lr=run.hp["actor_lr"])
critic_optimizer = Adam(critic.parameters(), lr=run.hp["critic_lr"], eps=1e-5)
run.track(actor=actor, critic=critic, actor_optimizer=actor_optimizer, critic_optimizer=critic_optimizer)
for _ in run.steps():
    states = torch.randn(32, 4)
    policy = torch.distributions.Categorical(logits=actor(states))
    actions = policy.sample()
    rewards = torch.where(actions == (states[:, 0] > 0), 1.0, 0.0)
    values = critic(states).squeeze(1)
    advantages = (rewards - values).detach()
    gain = (policy.log_prob(actions) * advantages + run.hp["entropy"] * policy.entropy()).mean()
    for optimizer, loss in ((actor_optimizer, -gain), (critic_optimizer, (values - rewards).square().mean())):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if run.due:
        run.report({"score": rewards.mean()})
