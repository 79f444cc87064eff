"""What a checkpoint of a model on a GPU gives back: the same bits, in the same tensors, without a second copy there."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from pbt_trainer.state.checkpoint_files import STATE, TENSORS
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: torch.cuda.is_available() is false"
)
WIDTH = 512


class Training:
    """A model with dropout on the GPU, as a script builds and trains it."""

    def __init__(self, *, fused: bool = False, seed: int = 0) -> None:
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(WIDTH, WIDTH), torch.nn.Dropout(0.5), torch.nn.Linear(WIDTH, WIDTH)]
        self.model = torch.nn.Sequential(*layers).cuda()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01, fused=fused)
        self.tracked = Tracked(total_steps=9)
        self.tracked.add("model", self.model)
        self.tracked.add("optimizer", self.optimizer)

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            loss = self.model(torch.randn(8, WIDTH, device="cuda")).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses

    def tensors(self) -> list[torch.Tensor]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [*self.model.parameters(), *moments]

    def restore(self, folder: Path, *, in_place: bool, random_state: Any = "restore") -> list[str]:
        if not in_place:
            return self.tracked.restore(folder, exploit=False, random_state=random_state)
        plan = self.tracked.plan(folder, exploit=False, rebuilt={})
        plan.apply(random_state)
        return plan.notes


def checkpoint(training: Training, folder: Path, *, prepared: bool) -> Path:
    staging = Staging.create()
    if prepared:
        training.tracked.prepare(staging)
    tree, size = training.tracked.capture(staging)
    (folder / STATE).write_bytes(tree)
    (folder / TENSORS).write_bytes(Path(f"/proc/self/fd/{staging.fd}").read_bytes()[:size])
    staging.close()
    return folder


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("prepared", [False, True], ids=["pageable", "locked"])
@pytest.mark.parametrize("way", ["fresh", "in place"])
def test_training_goes_on_bit_by_bit(
    tmp_path: Path, way: Literal["fresh", "in place"], *, fused: bool, prepared: bool
) -> None:
    donor = Training(fused=fused)
    donor.train(3)
    folder = checkpoint(donor, tmp_path, prepared=prepared)
    expected = donor.train(3)
    loser = Training(fused=fused, seed=1)
    if way == "in place":
        loser.train(2)
    assert loser.restore(folder, in_place=way == "in place") == []
    assert loser.train(3) == expected
    assert all(map(torch.equal, loser.tensors(), donor.tensors()))


def test_in_place_means_the_same_tensors_and_no_second_copy_on_the_gpu(tmp_path: Path) -> None:
    donor, loser = Training(), Training(seed=1)
    donor.train(2)
    loser.train(2)
    loser.optimizer.zero_grad(set_to_none=True)
    folder = checkpoint(donor, tmp_path, prepared=True)
    before = [tensor.data_ptr() for tensor in loser.tensors()]
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    loser.restore(folder, in_place=True)
    assert [tensor.data_ptr() for tensor in loser.tensors()] == before
    assert torch.cuda.max_memory_allocated() - held < WIDTH * WIDTH * 4
