"""Digits by LightGBM, one round at a time."""

from tempfile import TemporaryDirectory

import lightgbm
from sklearn.datasets import load_digits

import pbt_trainer


def main():
    params = {
        "objective": "multiclass",
        "num_class": 10,
        "num_threads": 1,
        "verbosity": -1,
        "bagging_freq": 1,
    }
    hp = {"learning_rate": 0.1, "bagging_fraction": 0.8, "num_leaves": 15, "lambda_l2": 1.0}
    run = pbt_trainer.join(hp, total_steps=40, interval_steps=8)
    digits = load_digits()
    train = lightgbm.Dataset(digits.data[:1400], digits.target[:1400], free_raw_data=False)
    booster = None
    folder = TemporaryDirectory()

    @run.on_restore
    def load(run):
        nonlocal booster
        booster = lightgbm.Booster(model_file=run.files / "model.txt")

    for step in run.steps():
        hp = {**run.hp, "seed": run.rng_seed % 2**31}
        booster = lightgbm.train(params | hp, train, num_boost_round=1, init_model=booster)
        if run.due:
            accuracy = (booster.predict(digits.data[1400:]).argmax(axis=1) == digits.target[1400:]).mean()
            print(f"step {step}: accuracy {accuracy:.3f}")
            booster.save_model(f"{folder.name}/model.txt")
            run.report({"accuracy": accuracy}, files=folder.name)


if __name__ == "__main__":
    main()
