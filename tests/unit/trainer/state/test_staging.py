"""The copy that is uploaded: a safetensors file that any reader opens, and a snapshot."""

import json
import mmap
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from pbt_trainer.state.codec import decode, encode
from pbt_trainer.state.mapped import MappedFile
from pbt_trainer.state.staging import Staging

TENSOR_TYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu, torch.float4_e2m1fn_x2,
    torch.complex32, torch.complex64, torch.complex128, torch.bool, torch.uint8, torch.int8, torch.int16,
    torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64, torch.bits8, torch.bits16,
]  # fmt: skip
ARRAY_TYPES = [
    "f8",
    "f4",
    "f2",
    "i8",
    "i4",
    "i2",
    "i1",
    "u8",
    "u4",
    "u2",
    "u1",
    "?",
    "c8",
    "c16",
    ">f4",
    ">i8",
]


def reader(staging: Staging) -> Callable[[str, str], Any]:
    """Reads as a restore does: arrays where they lie, all else by the library."""
    path = f"/proc/self/fd/{staging.fd}"

    def read(leaf: str, kind: str) -> Any:
        if kind == "array":
            found = MappedFile.open(Path(path), access=mmap.ACCESS_COPY).array(leaf)
            if found is not None:
                return found
        with safe_open(path, framework="pt" if kind == "tensor" else "np") as file:
            return file.get_tensor(leaf)

    return read


def through_staging(value: object) -> Any:
    staging = Staging.create()
    tree, leaves = encode(value, path="object")
    assert staging.stage(leaves) == os.fstat(staging.fd).st_size
    return decode(tree, reader(staging))


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", TENSOR_TYPES, ids=str)
def test_tensors_of_every_type_come_back_bit_by_bit(dtype: torch.dtype) -> None:
    bits = torch.randint(0, 2 if dtype == torch.bool else 256, (6 * dtype.itemsize,), dtype=torch.uint8)
    tensor = bits.view(dtype).reshape(2, 3)
    kept = through_staging({"odd": torch.zeros(3, dtype=torch.uint8), "tensor": tensor})["tensor"]
    assert kept.dtype == dtype
    assert kept.shape == tensor.shape
    assert raw(kept) == raw(tensor)


@pytest.mark.parametrize("dtype", ARRAY_TYPES)
def test_arrays_of_every_type_come_back_bit_by_bit(dtype: str) -> None:
    array = np.frombuffer(np.random.default_rng(1).bytes(96), dtype="u1").view("u1")
    array = (array % 2 if dtype == "?" else array).view(dtype)[:6].reshape(2, 3)
    kept = through_staging({"odd": np.zeros(3, "u1"), "array": array})["array"]
    assert kept.dtype == array.dtype
    assert kept.shape == (2, 3)
    assert kept.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [np.array(["2020-01-02"], "M8[D]"), np.array([3], "m8[ns]"), np.array(["ab", "c"]), np.array([b"xyz"])],
    ids=lambda array: array.dtype.str,
)
def test_arrays_of_dates_and_strings_come_back(array: Any) -> None:
    kept = through_staging([array, torch.ones(3)])[0]
    assert kept.dtype == array.dtype
    assert kept.tolist() == array.tolist()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(2.5),
        torch.tensor(1.5 + 2j, dtype=torch.complex128),
        torch.empty(0),
        torch.empty(3, 0, 2),
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(24.0).reshape(4, 6)[1:, ::2],
        torch.arange(3.0).expand(2, 3),
        torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        torch.tensor([1 + 2j, 3 - 1j]).conj(),
        torch.tensor([1 + 2j]).conj().imag,
        torch.nn.Parameter(torch.randn(3)),
        torch.nn.Buffer(torch.randn(3)),
    ],
    ids=[
        "0-d",
        "0-d complex",
        "empty",
        "empty 3-d",
        "transposed",
        "sliced",
        "expanded",
        "channels last",
        "conjugated",
        "negated",
        "parameter",
        "buffer",
    ],
)
def test_tensors_of_every_form_come_back(tensor: torch.Tensor) -> None:
    kept = through_staging([tensor, torch.zeros(1, dtype=torch.uint8)])[0]
    assert type(kept) is torch.Tensor
    assert kept.shape == tensor.shape
    assert torch.equal(kept, tensor.detach())


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_keep_the_order_of_their_memory(order: Any) -> None:
    array = np.array(np.arange(6).reshape(2, 3), order=order)
    assert through_staging([array])[0].flags.f_contiguous == (order == "F")


def test_a_person_reads_the_file_with_the_plain_library() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(2, 3))
    model[1].weight = model[0].weight
    tree, leaves = encode(dict(model.state_dict()), path="model")
    staging = Staging.create()
    staging.stage(leaves, aliases={"model.1.weight": "model.0.weight"})
    with safe_open(f"/proc/self/fd/{staging.fd}", framework="pt") as file:
        assert set(file.keys()) == {"model.0.weight", "model.0.bias", "model.1.bias"}
        assert file.metadata() == {"format": "pt", "model.1.weight": "model.0.weight"}
        assert torch.equal(file.get_tensor("model.0.weight"), model[0].weight)
    assert decode(tree, reader(staging))["1.weight"].shape == (3, 2)


def test_every_tensor_is_aligned_for_readers_that_map_the_file() -> None:
    dtypes = [torch.uint8, torch.float32, torch.int8, torch.complex128, torch.bfloat16, torch.float64]
    value = [torch.zeros(3, dtype=dtype) for dtype in dtypes] + [np.array(["a"]), np.zeros(3, ">i2")]
    _, leaves = encode(value, path="object")
    staging = Staging.create()
    content = os.pread(staging.fd, staging.stage(leaves), 0)
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for index, dtype in enumerate(dtypes):
        assert (start + header[f"object.{index}"]["data_offsets"][0]) % dtype.itemsize == 0


def test_it_is_a_snapshot() -> None:
    tensor, array = torch.ones(1000), np.ones(1000)
    tree, leaves = encode({"t": tensor, "a": array}, path="object")
    staging = Staging.create()
    staging.stage(leaves)
    tensor.zero_()
    array[:] = 0
    kept = decode(tree, reader(staging))
    assert kept["t"].sum() == 1000
    assert kept["a"].sum() == 1000


def test_larger_and_smaller_states_follow_each_other() -> None:
    staging = Staging.create()
    for length in (10, 100_000, 7, 200_000, 0, 50):
        value = torch.randn(length)
        tree, leaves = encode([value], path="object")
        assert staging.stage(leaves) == os.fstat(staging.fd).st_size
        assert torch.equal(decode(tree, reader(staging))[0], value)


def test_no_state_takes_no_file() -> None:
    assert Staging.create().stage([]) == 0


def test_the_second_checkpoint_of_a_size_takes_no_new_memory() -> None:
    tensor = torch.ones(4_000_000)  # 16 MB: 4,000 pages
    _, leaves = encode([tensor], path="object")
    staging = Staging.create()
    staging.stage(leaves)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    staging.stage(leaves)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 400


def test_it_works_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    tensor = torch.randn(100)
    assert torch.equal(through_staging([tensor])[0], tensor)


def test_closing_gives_the_descriptor_back() -> None:
    staging = Staging.create()
    staging.stage(encode([torch.ones(3)], path="object")[1])
    staging.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(staging.fd)
