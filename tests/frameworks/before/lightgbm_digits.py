"""Digits by LightGBM, one round at a time."""

import lightgbm
from sklearn.datasets import load_digits


def main():
    params = {
        "objective": "multiclass",
        "num_class": 10,
        "num_threads": 1,
        "verbosity": -1,
        "bagging_freq": 1,
    }
    hp = {"learning_rate": 0.1, "bagging_fraction": 0.8, "num_leaves": 15, "lambda_l2": 1.0}
    digits = load_digits()
    train = lightgbm.Dataset(digits.data[:1400], digits.target[:1400], free_raw_data=False)
    booster = None
    for step in range(1, 41):
        booster = lightgbm.train(params | hp, train, num_boost_round=1, init_model=booster)
        if step % 8 == 0:
            accuracy = (booster.predict(digits.data[1400:]).argmax(axis=1) == digits.target[1400:]).mean()
            print(f"step {step}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
