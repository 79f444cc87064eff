"""Arrays of a checkpoint are read where they lie in its file, and are the process's own all the same."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from pbt_trainer.state.mapped import MappedFile
from unit.trainer.training import Member


class Keeper:
    """Keeps the very arrays that it is given."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def state_dict(self) -> dict[str, Any]:
        return {"table": self.table}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.table = state["table"]


def of(value: Keeper) -> Member:
    return Member(lambda _hp: {"keeper": value}, {}, seed=0)


def mapped(path: Path) -> MappedFile:
    return MappedFile.open(path, access=mmap.ACCESS_COPY)


def test_an_object_may_keep_and_change_what_it_was_given(tmp_path: Path) -> None:
    folder = of(Keeper(np.arange(100_000))).save(tmp_path)
    tensors = folder / "state.safetensors"
    before = tensors.read_bytes()
    keeper = Keeper(np.zeros(100_000, int))
    of(keeper).resume(folder, in_place=True)
    keeper.table[::2] = -1
    assert tensors.read_bytes() == before
    tensors.unlink()
    assert keeper.table[:4].tolist() == [-1, 1, -1, 3]
    assert keeper.table[-1] == 99_999


def test_an_empty_array_has_its_shape_and_type(tmp_path: Path) -> None:
    save_file({"x": np.zeros((0, 3), "i2")}, tmp_path / "file")
    found = mapped(tmp_path / "file").array("x")
    assert (found.shape, found.dtype) == ((0, 3), np.int16)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"x": np.zeros(3)}, "y"),
        ({"a": np.zeros(1, "u1"), "b": np.zeros(3, "f8")}, "odd"),
    ],
    ids=["unknown", "misaligned"],
)
def test_what_cannot_be_read_in_place_is_left_to_the_library(content: Any, name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file(content, path)
    if name == "odd":  # as a writer that sorts nothing lays it out
        data = path.read_bytes()
        first = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        header = first + b'"odd":{"dtype":"F64","shape":[3],"data_offsets":[1,25]}}'
        path.write_bytes(len(header).to_bytes(8, "little") + header + data[-25:])
    assert mapped(path).array(name) is None
