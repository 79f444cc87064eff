"""Digits by xgboost, one round at a time."""

import xgboost
from sklearn.datasets import load_digits


def main():
    params = {"objective": "multi:softmax", "num_class": 10, "nthread": 1}
    params |= {"eta": 0.3, "subsample": 0.8, "max_depth": 4, "min_child_weight": 1.0}
    digits = load_digits()
    train = xgboost.DMatrix(digits.data[:1400], digits.target[:1400])
    test = xgboost.DMatrix(digits.data[1400:])
    booster = xgboost.Booster(params, [train])
    for step in range(1, 61):
        booster.update(train, step)
        if step % 12 == 0:
            accuracy = (booster.predict(test) == digits.target[1400:]).mean()
            print(f"step {step}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
