"""Training by Stable-Baselines3: `learn(model, run, "return")`. Tested with Stable-Baselines3 2.9: PPO, SAC and DQN."""

from pbt_trainer.stable_baselines3.learning import learn

__all__ = ["learn"]
