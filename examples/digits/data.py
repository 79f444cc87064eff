"""The digits images that scikit-learn carries: 1,797 scans of 8 x 8 pixels, split once and for all."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

SPLIT_SEED = 0
NUM_TRAIN, NUM_VALIDATION = 900, 400  # the other 497 are the test set, which no member ever sees


def split() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Images of shape (n, 1, 8, 8) in [0, 1] and labels of shape (n,), for `train`, `validation` and `test`."""
    images, labels = _load()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8)[order] / 16
    y = torch.tensor(labels, dtype=torch.int64)[order]
    parts = x.split([NUM_TRAIN, NUM_VALIDATION, len(x) - NUM_TRAIN - NUM_VALIDATION])
    answers = y.split([len(part) for part in parts])
    return dict(zip(("train", "validation", "test"), zip(parts, answers, strict=True), strict=True))


def shifted(images: torch.Tensor) -> torch.Tensor:
    """A batch moved by up to one pixel in each direction: the same digits, written elsewhere."""
    right, down = (int(shift) for shift in torch.randint(-1, 2, (2,)))
    return torch.roll(images, shifts=(right, down), dims=(-1, -2))


def _load() -> tuple[np.ndarray, np.ndarray]:
    """What `sklearn.datasets.load_digits` returns, without its import: that is a quarter of a trainer's start."""
    library = find_spec("sklearn")
    assert library, "scikit-learn carries the images"
    table = np.loadtxt(
        Path(str(library.origin)).with_name("datasets") / "data" / "digits.csv.gz", delimiter=","
    )
    return table[:, :-1], table[:, -1].astype(int)
