"""Trains a network on the digits images: alone (`python examples/digits/train.py`) or as a member of a population."""

import torch
from torch import nn

import pbt_trainer
from data import shifted, split
from model import build, evaluate

BATCH = 64


def main() -> None:
    """One training run."""
    run = pbt_trainer.join(
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4, "dropout": 0.2},
        total_steps=2000,
        interval_steps=100,
    )
    data = split()
    images, labels = data["train"]
    model = build(dropout=0.0)  # the loop sets it

    @run.build  # again for each takeover in place, so that what it reads takes effect
    def sgd() -> torch.optim.Optimizer:
        return torch.optim.SGD(
            model.parameters(),
            lr=run.hp["lr"],
            momentum=run.hp["momentum"],
            weight_decay=run.hp["weight_decay"],
        )

    optimizer = sgd()
    run.track(model=model, optimizer=optimizer)
    for _ in run.steps():
        for layer in model:
            if isinstance(layer, nn.Dropout):
                layer.p = run.hp["dropout"]  # read in the loop: so does this
        batch = torch.randint(len(images), (BATCH,))
        loss = nn.functional.cross_entropy(model(shifted(images[batch])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if run.due:
            scores = evaluate(model, *data["validation"])
            run.report({"val_accuracy": scores["accuracy"], "val_loss": scores["loss"]})


if __name__ == "__main__":
    main()
