"""PPO in an environment whose rewards tell whose life they are of, with episodes longer than a rollout."""

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import pbt_trainer.stable_baselines3

LENGTH = 25
POLICIES = []  # of each rollout so far: how many have acted in it


class Telling(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.age = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.age += 1
        return np.zeros(2, np.float32), float(run.incarnation), self.age == LENGTH, False, {}


class Policies(BaseCallback):
    def _on_rollout_start(self):
        self.seen = set()

    def _on_step(self):
        self.seen.add(float(sum(each.double().abs().sum() for each in self.model.policy.parameters())))
        return True

    def _on_rollout_end(self):
        POLICIES.append(len(self.seen))


run = pbt_trainer.join({"learning_rate": 0.01, "gamma": 0.9}, total_steps=12, interval_steps=2)
model = PPO(
    "MlpPolicy", make_vec_env(Telling, 2), n_steps=10, batch_size=10, n_epochs=2, seed=1, device="cpu"
)
window = pbt_trainer.Window(20, at_least=1)


def policies():
    return {"policies": max(POLICIES)}


pbt_trainer.stable_baselines3.learn(
    model, run, "return", window=window, evaluate=policies, callback=Policies()
)
