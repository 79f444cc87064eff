"""Digits by scikit-learn, a batch at a time: logistic regression with a falling learning rate."""

from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

import pbt_trainer


def main():
    hp = {"eta0": 0.1, "alpha": 1e-4}
    run = pbt_trainer.join(hp, total_steps=200, interval_steps=40)
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    model = SGDClassifier(loss="log_loss", learning_rate="invscaling", power_t=0.25, **hp)
    run.track(
        model=SimpleNamespace(
            state_dict=lambda: {name: value for name, value in vars(model).items() if name[0] != "_"},
            load_state_dict=vars(model).update,
        )
    )
    for step in run.steps():
        chosen = np.random.randint(0, 1400, 64)
        model.set_params(**run.hp)
        model.partial_fit(images[chosen], labels[chosen], classes=np.arange(10))
        if run.due:
            print(f"step {step}: accuracy {model.score(images[1400:], labels[1400:]):.3f}")
            run.report({"accuracy": model.score(images[1400:], labels[1400:])})


if __name__ == "__main__":
    main()
