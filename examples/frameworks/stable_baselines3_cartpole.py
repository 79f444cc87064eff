"""CartPole by PPO of Stable-Baselines3, with normalised observations and rewards and a falling learning rate."""

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import pbt_trainer.stable_baselines3


def main():
    hp = {"gamma": 0.99, "gae_lambda": 0.95, "ent_coef": 0.01, "clip_range": 0.2}
    run = pbt_trainer.join(hp | {"learning_rate": 1e-3}, total_steps=40, interval_steps=8)
    env = VecNormalize(make_vec_env("CartPole-v1", n_envs=4, seed=1))
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda remaining: 1e-3 * remaining,
        n_steps=64,
        batch_size=64,
        n_epochs=4,
        seed=1,
        device="cpu",
        **hp,
    )
    pbt_trainer.stable_baselines3.learn(model, run, "return")


if __name__ == "__main__":
    main()
