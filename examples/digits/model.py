"""A small network for 8 x 8 images."""

import torch
from torch import nn


def build(*, dropout: float) -> nn.Module:
    """Maps images (n, 1, 8, 8) to logits (n, 10)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(128, 10),
    )


@torch.no_grad()
def evaluate(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Accuracy and mean cross-entropy."""
    model.eval()
    logits = model(images)
    model.train()
    loss = nn.functional.cross_entropy(logits, labels)
    return {"accuracy": (logits.argmax(1) == labels).float().mean().item(), "loss": loss.item()}
