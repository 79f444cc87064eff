"""Digits by plain PyTorch: mixed precision, accumulated gradients, a cosine with a warm-up, averaged weights."""

import argparse
import math

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

import pbt_trainer

WARM_UP = 12  # updates


def configure(model, args, updates):
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)

    def shape(done):
        return min(1, (done + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done / updates))

    return optimizer, LambdaLR(optimizer, shape)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(0)
    run = pbt_trainer.join(vars(args), total_steps=args.epochs, interval_steps=4)
    run.bind(args)
    digits = load_digits()
    images, labels = torch.tensor(digits.images).flatten(1).float() / 16, torch.tensor(digits.target)
    batches = DataLoader(TensorDataset(images[:1024], labels[:1024]), batch_size=128, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.95))
    scaler = torch.amp.GradScaler("cpu")
    optimizer, schedule = run.build(lambda: configure(model, args, run.total_steps * len(batches) // 2))()
    run.track(model=model, average=average, scaler=scaler, optimizer=optimizer, schedule=schedule)
    for epoch in run.steps():
        for number, (inputs, targets) in enumerate(batches):
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(functional.dropout(inputs, args.dropout))
                loss = functional.cross_entropy(outputs, targets, label_smoothing=args.label_smoothing)
            scaler.scale(loss / 2).backward()
            if number % 2:
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                schedule.step()
                average.update_parameters(model)
        with torch.no_grad():
            accuracy = (average(images[1024:]).argmax(1) == labels[1024:]).float().mean()
        print(f"epoch {epoch}: loss {loss:.3f}, accuracy {accuracy:.3f}")
        if run.due:
            run.report({"accuracy": accuracy})


if __name__ == "__main__":
    main()
