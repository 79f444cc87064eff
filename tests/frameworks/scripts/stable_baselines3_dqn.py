"""DQN, whose replay buffer is in its checkpoints."""

from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env

import pbt_trainer.stable_baselines3

run = pbt_trainer.join({"learning_rate": 0.01, "exploration_fraction": 0.5}, total_steps=12, interval_steps=2)
model = DQN(
    "MlpPolicy",
    make_vec_env("CartPole-v1", 2, seed=1),
    train_freq=4,
    gradient_steps=2,
    learning_starts=10,
    batch_size=8,
    buffer_size=1000,
    policy_kwargs={"net_arch": [8]},
    seed=1,
    device="cpu",
)
window = pbt_trainer.Window(5, at_least=1)
pbt_trainer.stable_baselines3.learn(model, run, "return", window=window, replay_buffer=True)
