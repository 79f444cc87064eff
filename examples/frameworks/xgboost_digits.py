"""Digits by xgboost, one round at a time."""

from types import SimpleNamespace

import xgboost
from sklearn.datasets import load_digits

import pbt_trainer


def main():
    params = {"objective": "multi:softmax", "num_class": 10, "nthread": 1}
    params |= {"eta": 0.3, "subsample": 0.8, "max_depth": 4, "min_child_weight": 1.0}
    run = pbt_trainer.join(params, total_steps=60, interval_steps=12)
    digits = load_digits()
    train = xgboost.DMatrix(digits.data[:1400], digits.target[:1400])
    test = xgboost.DMatrix(digits.data[1400:])
    booster = xgboost.Booster(params, [train])
    run.track(booster=SimpleNamespace(state_dict=booster.save_raw, load_state_dict=booster.load_model))
    for step in run.steps():
        booster.set_param({**run.hp, "seed": run.rng_seed % 2**31})
        booster.update(train, step)
        if run.due:
            accuracy = (booster.predict(test) == digits.target[1400:]).mean()
            print(f"step {step}: accuracy {accuracy:.3f}")
            run.report({"accuracy": accuracy})


if __name__ == "__main__":
    main()
