"""Memory that is made ready before the first checkpoint: touched, locked for a GPU, and given back."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from pbt_trainer.state import pinned
from pbt_trainer.state.codec import decode, encode
from pbt_trainer.state.pinned import LockedFile
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tensors import Leaf
from unit.trainer.population import until


def leaves_of(*tensors: torch.Tensor) -> list[Leaf]:
    return encode(list(tensors), path="object")[1]


def stored(staging: Staging) -> torch.Tensor:
    with safe_open(f"/proc/self/fd/{staging.fd}", framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor("object.0")
    return tensor


class Controller:
    """Stands in for CUDA: says that all tensors are on a GPU, and notes which memory is locked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, willing: bool = True) -> None:
        self.locked: list[int] = []
        self.timers = 0
        self._willing = willing
        monkeypatch.setattr(pinned, "devices", lambda _leaves: ["gpu"])
        monkeypatch.setattr(pinned, "pin", self._pin)
        monkeypatch.setattr(pinned, "unpin", lambda memory: self.locked.remove(len(memory)))
        monkeypatch.setattr(pinned, "wait", self._wait)

    def _pin(self, memory: Any, *, device: Any, read_only: bool = False) -> bool:
        assert device == "gpu"
        if self._willing:
            self.locked.append(len(memory))
        return self._willing

    def _wait(self, gpus: Any) -> None:
        assert gpus == ["gpu"]
        self.timers += 1


def test_the_first_checkpoint_takes_no_new_memory_either() -> None:
    leaves = leaves_of(torch.ones(4_000_000))  # 16 MB: 4,000 pages
    staging = Staging.create()
    staging.prepare(leaves)
    staging.prepare(leaves)  # is under way
    while staging._preparation is not None and staging._preparation.is_alive():
        staging._preparation.join()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    staging.stage(leaves)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 400


def test_what_is_staged_survives_a_preparation_for_its_own_size() -> None:
    value = torch.randn(3_000_000)
    staging = Staging.create()
    staging.stage(leaves_of(value))
    staging.prepare(leaves_of(value))
    staging.stage(leaves_of(value + 1))
    assert torch.equal(stored(staging), value + 1)
    staging.prepare(leaves_of(value))
    assert torch.equal(stored(staging), value + 1)


def test_another_size_than_prepared_is_no_harm() -> None:
    staging = Staging.create()
    for length in (1000, 10, 5_000_000, 7):
        staging.prepare(leaves_of(torch.ones(1000)))
        value = torch.randn(length)
        assert staging.stage(leaves_of(value)) == os.fstat(staging.fd).st_size
        assert torch.equal(stored(staging), value)


def test_locked_memory_is_waited_for_once_a_checkpoint_and_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    controller = Controller(monkeypatch)
    staging = Staging.create()
    value = torch.randn(1000)
    staging.prepare(leaves_of(value, value + 1))
    for count in (1, 2):
        size = staging.stage(leaves_of(value, value + 1))
        assert (controller.locked, controller.timers) == ([size], count)
    staging.close()
    assert controller.locked == []


def test_locked_memory_is_given_back_before_the_file_changes_its_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    controller = Controller(monkeypatch)
    staging = Staging.create()
    staging.prepare(leaves_of(torch.randn(5000)))
    staging.stage(leaves_of(torch.randn(5000)))
    for length in (50, 5000):  # back at the old length the pages are others
        value = torch.randn(length)
        staging.stage(leaves_of(value))
        assert controller.locked == []
        assert torch.equal(stored(staging), value)
    assert controller.timers == 1
    size = staging.stage(leaves_of(torch.randn(5000)))
    staging.prepare(leaves_of(torch.randn(5000)))
    staging.stage(leaves_of(torch.randn(5000)))
    assert controller.locked == [size]
    staging.close()


def test_a_limit_on_locked_memory_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(monkeypatch, willing=False)
    staging = Staging.create()
    value = torch.randn(1000)
    staging.prepare(leaves_of(value))
    staging.stage(leaves_of(value))
    assert torch.equal(stored(staging), value)
    assert controller.timers == 0
    staging.close()


def test_closing_ends_a_preparation_under_way() -> None:
    staging = Staging.create()
    staging.prepare(leaves_of(torch.ones(8_000_000)))
    staging.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(staging.fd)


@pytest.mark.parametrize("willing", [True, False])
def test_a_locked_file_has_the_tensors_that_the_library_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, willing: bool
) -> None:
    controller = Controller(monkeypatch, willing=willing)
    staging = Staging.create()
    values = [
        torch.randn(3, 5),
        torch.arange(7),
        torch.randn(4).bfloat16(),
        torch.empty(0, 2),
        torch.tensor(2.5),
    ]
    size = staging.stage(leaves_of(*values))
    path = tmp_path / "state.safetensors"
    path.write_bytes(os.pread(staging.fd, size, 0))
    locked = LockedFile.open(path, device="gpu")
    assert controller.locked == ([size] if willing else [])
    with safe_open(path, framework="pt") as file:
        for index, value in enumerate(values):
            like = file.get_tensor(f"object.{index}")
            tensor = locked.tensor(f"object.{index}", like)
            assert (tensor is like) == (not willing or not value.numel())
            assert tensor.dtype == value.dtype
            assert tensor.shape == value.shape
            assert torch.equal(tensor, value)
    path.unlink()
    locked.close()
    until(lambda: controller.locked == [])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch.cuda.is_available() is false")
@pytest.mark.parametrize("prepared", [False, True], ids=["pageable", "locked"])
def test_tensors_on_a_gpu_are_stored_bit_by_bit(*, prepared: bool) -> None:
    value = torch.randn(3_000_000, device="cuda")
    leaves = leaves_of(value, value.double(), value.bfloat16(), value.reshape(1000, 3000).t())
    tree = encode([value, value.double(), value.bfloat16(), value.reshape(1000, 3000).t()], path="object")[0]
    staging = Staging.create()
    if prepared:
        staging.prepare(leaves)
    staging.stage(leaves)
    assert staging._pinned is prepared
    sources = [leaf.source.clone() for leaf in leaves]
    value.zero_()
    with safe_open(f"/proc/self/fd/{staging.fd}", framework="pt") as file:
        kept = decode(tree, lambda leaf, _kind: file.get_tensor(leaf).clone())
    assert all(torch.equal(one, other.cpu()) for one, other in zip(kept, sources, strict=True))
    staging.close()
