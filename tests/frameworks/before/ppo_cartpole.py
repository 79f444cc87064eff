"""CartPole by PPO in one file, in the style of CleanRL, with normalised observations and a falling learning rate."""

import argparse

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.distributions import Categorical

ENVS, STEPS, EPOCHS, MINIBATCH = 4, 32, 2, 32


def layer(inputs, outputs, gain):
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(layer(4, 64, 2**0.5), nn.Tanh(), layer(64, 1, 1))
        self.actor = nn.Sequential(layer(4, 64, 2**0.5), nn.Tanh(), layer(64, 2, 0.01))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("square", torch.ones(4))

    def normalize(self, observations):
        self.mean.lerp_(observations.mean(0), 0.01)
        self.square.lerp_(observations.square().mean(0), 0.01)
        deviation = (self.square - self.mean.square()).clamp(min=1e-4).sqrt()
        return ((observations - self.mean) / deviation).clamp(-10, 10)

    def act(self, observations, actions=None):
        choice = Categorical(logits=self.actor(observations))
        actions = choice.sample() if actions is None else actions
        return actions, choice.log_prob(actions), choice.entropy(), self.critic(observations).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--gae-lambda", type=float, default=0.95)
    parser.add_argument("--ent-coef", type=float, default=0.01)
    parser.add_argument("--clip-coef", type=float, default=0.2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
    envs = gymnasium.make_vec("CartPole-v1", ENVS, vectorization_mode="sync", vector_kwargs=same_step)
    agent = Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.lr, eps=1e-5)
    observations, actions = torch.zeros(STEPS, ENVS, 4), torch.zeros(STEPS, ENVS, dtype=torch.long)
    log_probs, values, rewards, dones = (torch.zeros(STEPS, ENVS) for _ in range(4))
    totals = np.zeros(ENVS)
    seen, _ = envs.reset(seed=args.seed)
    for iteration in range(1, args.iterations + 1):
        optimizer.param_groups[0]["lr"] = (1 - (iteration - 1) / args.iterations) * args.lr
        for step in range(STEPS):
            with torch.no_grad():
                observations[step] = agent.normalize(torch.as_tensor(seen))
                actions[step], log_probs[step], _, values[step] = agent.act(observations[step])
            seen, reward, terminated, truncated, _ = envs.step(actions[step].numpy())
            rewards[step], dones[step] = torch.as_tensor(reward), torch.as_tensor(terminated | truncated)
            totals += reward
            for ended in np.flatnonzero(terminated | truncated):
                print(f"return {totals[ended]:.0f}")
                totals[ended] = 0
        with torch.no_grad():
            following = agent.act(agent.normalize(torch.as_tensor(seen)))[3]
        advantages, last = torch.zeros(STEPS, ENVS), torch.zeros(ENVS)
        for step in reversed(range(STEPS)):
            alive = 1 - dones[step]
            error = rewards[step] + args.gamma * following * alive - values[step]
            advantages[step] = last = error + args.gamma * args.gae_lambda * alive * last
            following = values[step]
        batch = [each.flatten(0, 1) for each in (observations, actions, log_probs, advantages, values)]
        for _ in range(EPOCHS):
            for chosen in torch.randperm(STEPS * ENVS).split(MINIBATCH):
                seen_then, acted, log_prob_then, advantage, value_then = (each[chosen] for each in batch)
                _, log_prob, entropy, value = agent.act(seen_then, acted)
                ratio = (log_prob - log_prob_then).exp()
                normal = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
                policy_loss = -torch.min(normal * ratio, normal * clipped).mean()
                value_loss = (value - advantage - value_then).square().mean()
                loss = policy_loss + 0.5 * value_loss - args.ent_coef * entropy.mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        print(f"iteration {iteration}: loss {loss:.3f}")


if __name__ == "__main__":
    main()
