"""Digits by Lightning: a small network under a cosine."""

import lightning
import torch
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class Net(LightningModule):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

    def forward(self, images):
        return self.layers(torch.nn.functional.dropout(images, self.hp["dropout"], self.training))

    def training_step(self, batch, _):
        images, labels = batch
        loss = torch.nn.functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        images, labels = batch
        self.log("val_acc", (self(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), self.hp["lr"], weight_decay=self.hp["weight_decay"])
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]


def main():
    lightning.seed_everything(1)
    hp = {"lr": 1e-3, "dropout": 0.1, "weight_decay": 1e-2}
    digits = load_digits()
    images, labels = torch.tensor(digits.images).flatten(1).float() / 16, torch.tensor(digits.target)
    train = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True)
    val = DataLoader(TensorDataset(images[1400:], labels[1400:]), batch_size=397)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=200,
        enable_progress_bar=False,
        logger=False,
    )
    trainer.fit(Net(hp), train, val)


if __name__ == "__main__":
    main()
