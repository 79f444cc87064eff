"""Tensors and arrays as a checkpoint keeps them: under which name, in which format, and what is refused.

A leaf is one entry of `state.safetensors`. What that format can't name (complex numbers, dates, big-endian
arrays) is stored as raw bytes, and its node in the tree says what they are. Torch isn't imported here: an object that
holds a tensor has loaded it. Arrays of other libraries are stored as numpy's.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pbt_contract.errors import StateError
from pbt_trainer.state.array_likes import NARROW, host_array, is_jax, narrow_type

# What safetensors can name since 0.5; with its later additions older readers would refuse the whole file.
_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
RAW_TENSORS = frozenset({
    "complex32", "complex64", "complex128",
    "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits8", "bits16",
})  # fmt: skip
RAW_ARRAYS = re.compile(r"[<>|=]?[biufcSU][1-9]\d{0,8}|[<>|=]?[mM]8(\[\d*[A-Za-z]+\])?")
_MAX_NAME = 200
_REMEDY = (
    "A checkpoint keeps None, numbers, strings, bytes, tuples, lists, dicts, sets, named tuples, tensors and arrays: "
    "leave it out of state_dict(), or convert it there"
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One tensor or array to be stored.

    Attributes:
        name: its key in the safetensors file.
        source: the live tensor or array, of numpy or of JAX.
        code: the format's name of its type; U8 for raw bytes.
        shape: as the file states it, in C order; (num_bytes,) for raw bytes.
        num_bytes: what it takes in the file.
        alignment: in bytes; the offset in the file must be a multiple of it.
    """

    name: str
    source: Any
    code: str
    shape: tuple[int, ...]
    num_bytes: int
    alignment: int


class Leaves:
    """The leaves of one checkpoint: unique names, and memory that several places share is stored once.

    Attributes:
        found: the leaves, in the order in which they were met.
        aliases: the name that a shared tensor would have had, to the name that it is stored under.
    """

    def __init__(self) -> None:
        self.found: list[Leaf] = []
        self.aliases: dict[str, str] = {}
        self._names = {"__metadata__"}  # the format keeps this one for itself
        self._stored: dict[object, str] = {}

    def add(self, value: Any, *, path: str, name: str) -> dict[str, Any]:
        """Takes a tensor or array, of any shape and memory order, and returns what its node in the tree says of it.

        Args:
            value: what to store.
            path: the way to it, for messages.
            name: that its entry in the file should have; another one where it is taken.

        Raises:
            StateError: it is of a kind that can't be kept; the message names `path`.
        """
        name = self._unique(name)
        describe = _tensor if is_tensor(value) else _array if is_array(value) else _array_like
        leaf, memory, node = describe(value, name, path)
        stored = self._stored.setdefault(memory, name) if leaf.num_bytes else name
        if stored == name:
            self.found.append(leaf)
        else:
            self.aliases[name] = stored
        return {"leaf": stored, **node}

    def _unique(self, name: str) -> str:
        # Names in the file are UTF-8, which a lone surrogate in a key is not.
        plain = name.encode("utf-8", "backslashreplace").decode()[:_MAX_NAME]
        unique, count = plain, 1
        while unique in self._names:
            count += 1
            unique = f"{plain}#{count}"
        self._names.add(unique)
        return unique


def is_tensor(value: object) -> bool:
    """Whether it is a torch tensor of any kind."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_array(value: object) -> bool:
    """Whether it is a numpy array of any kind."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def array_type(code: str) -> Any:
    """Numpy's type for the format's; None where it has none.

    Raises:
        StateError: it has one from a package that is missing.
    """
    import numpy as np

    name = next((name for name, known in _CODES.items() if known == code), None)
    return None if name is None else narrow_type(name) if name in NARROW else np.dtype(name)


def number(value: Any) -> Any:
    """The plain number in a tensor of one element or a numpy scalar; anything else as it is."""
    if is_tensor(value):
        return value.item() if value.numel() == 1 else value
    numpy = sys.modules.get("numpy")
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


def refusal(value: object, path: str, remedy: str = _REMEDY) -> StateError:
    """The error for something that a checkpoint can't keep."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return StateError(f"{path} is of type {kind}, which a checkpoint can't keep. {remedy}.")


def is_dense(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether the elements lie in one block without gaps or overlaps, in whatever order of the dimensions.

    Args:
        shape: of the tensor.
        stride: of each dimension, in elements.
    """
    expected = 1
    for step, length in sorted(zip(stride, shape, strict=True)):
        if length != 1 and step != expected:
            return False
        expected *= length
    return True


def _tensor(tensor: Any, name: str, path: str) -> tuple[Leaf, object, dict[str, Any]]:
    torch: Any = sys.modules["torch"]
    if any(base.__name__ in {"DTensor", "ShardedTensor"} for base in type(tensor).__mro__):
        raise refusal(tensor, path, "Store sharded state yourself, through report(..., files=DIR)")
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        raise refusal(tensor, path, "Run a batch through the model before track(), so that it gets its shape")
    if type(tensor) not in {torch.Tensor, torch.nn.Parameter}:
        raise refusal(tensor, path, "Convert it to a plain tensor in state_dict()")
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type == "meta":
        raise refusal(
            tensor, path, f"It is {tensor.layout} on {tensor.device}: make it dense in state_dict()"
        )
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _CODES and dtype not in RAW_TENSORS:
        raise refusal(tensor, path, f"Its dtype is {tensor.dtype}: convert it in state_dict()")
    shape, stride = tuple(tensor.shape), tuple(tensor.stride())
    bits = (tensor.is_conj(), tensor.is_neg())
    memory = ("tensor", tensor.data_ptr(), dtype, shape, stride, str(tensor.device), bits)
    node: dict[str, Any] = {}
    if not tensor.is_contiguous() and is_dense(shape, stride):
        node["stride"] = list(stride)  # a kernel's last bit may depend on the order in memory
    num_bytes = tensor.numel() * tensor.itemsize
    if dtype in RAW_TENSORS:
        node |= {"dtype": dtype, "shape": list(shape)}
        shape = (num_bytes,)
    return Leaf(name, tensor, _CODES.get(dtype, "U8"), shape, num_bytes, tensor.itemsize), memory, node


def _array(array: Any, name: str, path: str) -> tuple[Leaf, object, dict[str, Any]]:
    numpy: Any = sys.modules["numpy"]
    if type(array) is not numpy.ndarray:
        raise refusal(array, path, "Convert it with numpy.array(...) in state_dict()")
    dtype, place = array.dtype, array.__array_interface__["data"][0]
    leaf, node = _described(array, name, path)
    if array.flags.fnc:
        node["order"] = "F"
    return leaf, ("array", place, dtype.str, dtype.name, array.shape, array.strides), node


def _array_like(value: Any, name: str, path: str) -> tuple[Leaf, object, dict[str, Any]]:
    """An array of JAX stays where it is until it is staged; one of a library that isn't known here is copied now."""
    try:
        if not is_jax(value):
            return _array(host_array(value), name, path)
        if not value.is_fully_addressable:
            raise refusal(value, path, "Store sharded state yourself, through report(..., files=DIR)")
        leaf, node = _described(value, name, path)
    except TypeError as error:
        raise refusal(value, path, f"Convert it with numpy.array(...) in state_dict() ({error})") from error
    return leaf, ("array-like", id(value)), node


def _described(array: Any, name: str, path: str) -> tuple[Leaf, dict[str, Any]]:
    dtype, shape = array.dtype, tuple(array.shape)
    narrow = dtype.kind == "V" and dtype.name in NARROW
    if not narrow and RAW_ARRAYS.fullmatch(dtype.str) is None:
        raise refusal(array, path, f"Its dtype is {dtype}: convert it to numbers in state_dict()")
    num_bytes = array.size * dtype.itemsize
    code = _CODES.get(dtype.name) if dtype.isnative else None
    if code is not None:
        return Leaf(name, array, code, shape, num_bytes, dtype.itemsize), {}
    node = {"dtype": dtype.name if narrow else dtype.str, "shape": list(shape)}
    return Leaf(name, array, "U8", (num_bytes,), num_bytes, 1), node
