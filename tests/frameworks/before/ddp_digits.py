"""Digits by DistributedDataParallel, for torchrun: each process has a part of the batches."""

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def configure(model, hp):
    optimizer = torch.optim.SGD(model.parameters(), lr=hp["lr"], momentum=hp["momentum"])
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def main():
    torch.manual_seed(0)
    dist.init_process_group("gloo")
    hp = {"lr": 0.1, "momentum": 0.9, "dropout": 0.1}
    digits = load_digits()
    images, labels = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)
    data = TensorDataset(images[:1408], labels[:1408])
    batches = DataLoader(data, batch_size=64, sampler=DistributedSampler(data))
    model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)))
    optimizer, schedule = configure(model, hp)
    for epoch in range(1, 21):
        batches.sampler.set_epoch(epoch)
        for inputs, targets in batches:
            loss = functional.cross_entropy(model(functional.dropout(inputs, hp["dropout"])), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            accuracy = (model.module(images[1408:]).argmax(1) == labels[1408:]).float().mean()
        if dist.get_rank() == 0:
            print(f"epoch {epoch}: accuracy {accuracy:.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
