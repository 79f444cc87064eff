"""Digits by scikit-learn, a batch at a time: logistic regression with a falling learning rate."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier


def main():
    hp = {"eta0": 0.1, "alpha": 1e-4}
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    model = SGDClassifier(loss="log_loss", learning_rate="invscaling", power_t=0.25, **hp)
    for step in range(1, 201):
        chosen = np.random.randint(0, 1400, 64)
        model.partial_fit(images[chosen], labels[chosen], classes=np.arange(10))
        if step % 40 == 0:
            print(f"step {step}: accuracy {model.score(images[1400:], labels[1400:]):.3f}")


if __name__ == "__main__":
    main()
