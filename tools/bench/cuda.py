"""A checkpoint of CUDA tensors: the stall in report(), the swap in place, and steps while an upload runs.

Beside each figure is the plain copy of the same tensors in the same round: into page-locked buffers that are there
already, and from them. Without a GPU it says so and yields nothing.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.sample import Remark, Sample

NAME = "cuda"
WIDTH = 4096  # one layer of it with its AdamW state: 192 MiB
LAYERS = {"1GB": 5, "10GB": 53}
STEPS = 200
_UPLOAD = """
import sys
from pathlib import Path
from pbt_trainer.courier.upload import checksum
from pbt_contract.stores.folder import FolderStore
path, size, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
print(flush=True)
checksum(path, size)
FolderStore(folder).upload("checkpoints/state", path, size=size)
"""


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """One and ten gigabytes of state, in turns."""
    try:
        import torch
    except ImportError:
        yield Remark("cuda: torch is not installed")
        return
    if not torch.cuda.is_available():
        yield Remark("cuda: there is no GPU; torch.cuda.is_available() is false")
        return
    yield Remark(f"cuda: {torch.cuda.get_device_name()}, torch {torch.__version__}")
    for _ in range(rounds):
        for size, layers in LAYERS.items():
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                yield from _one(torch, size, layers, Path(folder))
            torch.cuda.empty_cache()


def _one(torch: Any, size: str, layers: int, folder: Path) -> Iterator[Sample]:
    from pbt_trainer.state.staging import Staging

    tracked, tensors = _trained(torch, layers)
    locked = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
    pairs = list(zip(tensors, locked, strict=True))
    to_host = _best(torch, lambda: [host.copy_(own, non_blocking=True) for own, host in pairs])
    to_gpu = _best(torch, lambda: [own.copy_(host, non_blocking=True) for own, host in pairs])
    locked.clear()
    pairs.clear()
    yield Sample(f"cuda.{size}.copy-to-host", to_host, "s")
    yield Sample(f"cuda.{size}.copy-to-gpu", to_gpu, "s")
    staging = Staging.create()
    yield Sample(
        f"cuda.{size}.report-unprepared-first", _seconds(torch, lambda: tracked.capture(staging)), "s"
    )
    yield Sample(f"cuda.{size}.report-pageable", _best(torch, lambda: tracked.capture(staging)), "s")
    alone = _steps(torch, lambda: False)
    began = time.perf_counter()
    tracked.prepare(staging)
    thread = staging._preparation
    assert thread is not None
    during = _steps(torch, thread.is_alive)
    thread.join()
    yield Sample(f"cuda.{size}.prepare", time.perf_counter() - began, "s")
    yield Sample(f"cuda.{size}.throughput-while-preparing", alone / during, "ratio", better="more")
    stall = _best(torch, lambda: tracked.capture(staging))
    yield Sample(f"cuda.{size}.report", stall, "s")
    yield Sample(f"cuda.{size}.report-to-copy", stall / to_host, "ratio")
    captured = tracked.capture(staging)
    command = [
        sys.executable,
        "-c",
        _UPLOAD,
        f"/proc/self/fd/{staging.fd}",
        str(captured.num_bytes),
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[staging.fd]) as upload:
        assert upload.stdout is not None
        upload.stdout.readline()
        began = time.perf_counter()
        during = _steps(torch, lambda: upload.poll() is None)
        took = time.perf_counter() - began
    alone = _steps(torch, lambda: False)
    assert upload.returncode == 0
    yield Sample(f"cuda.{size}.upload-to-folder", took, "s")
    yield Sample(f"cuda.{size}.throughput-while-uploading", alone / during, "ratio", better="more")
    yield from _swaps(torch, size, tracked, captured, folder, to_gpu)
    yield Sample(f"cuda.{size}.close", _seconds(torch, staging.close), "s")


def _swaps(
    torch: Any, size: str, tracked: Any, captured: Any, folder: Path, to_gpu: float
) -> Iterator[Sample]:
    (folder / "state.json").write_bytes(captured.tree)
    (folder / "checkpoints" / "state").rename(folder / "state.safetensors")
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    swap = _best(
        torch,
        lambda: tracked.plan(folder, exploit=True, rebuilt={}).apply("restore"),
    )
    yield Sample(f"cuda.{size}.swap", swap, "s")
    yield Sample(f"cuda.{size}.swap-to-copy", swap / to_gpu, "ratio")
    yield Sample(
        f"cuda.{size}.swap-extra-gpu-memory", (torch.cuda.max_memory_allocated() - held) / 2**20, "MB"
    )


def _trained(torch: Any, layers: int) -> tuple[Any, list[Any]]:
    """Tracked objects on the GPU after a step, and their tensors."""
    from pbt_trainer.state.tracked import Tracked

    model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH, device="cuda") for _ in range(layers)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    tracked = Tracked(total_steps=9)
    tracked.add("model", model)
    tracked.add("optimizer", optimizer)
    moments = [value for state in optimizer.state.values() for value in state.values() if value.is_cuda]
    return tracked, [parameter.data for parameter in model.parameters()] + moments


def _steps(torch: Any, more: Callable[[], bool]) -> float:
    """Seconds for a step of matrix products, over `STEPS` steps and as many as there are `more`."""
    left = torch.randn(WIDTH, WIDTH, device="cuda", dtype=torch.bfloat16)
    right = torch.randn_like(left)
    for _ in range(10):
        left @ right
    torch.cuda.synchronize()
    count, began = 0, time.perf_counter()
    while more() or count < STEPS:
        for _ in range(4):
            left @ right
        torch.cuda.synchronize()
        count += 1
    return (time.perf_counter() - began) / count


def _seconds(torch: Any, action: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def _best(torch: Any, action: Callable[[], object]) -> float:
    """The median of five after one to warm up."""
    return sorted(_seconds(torch, action) for _ in range(6))[3]
