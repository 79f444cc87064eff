"""What belongs to numpy and torch in a state's tree: their scalars, sizes, types and devices, and the forms of leaves.

Neither library is imported before a tree needs it.
"""

import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pbt_trainer.state.array_likes import NARROW, narrow_type
from pbt_trainer.state.tensors import RAW_ARRAYS, RAW_TENSORS, is_dense


def node_of(value: Any) -> dict[str, Any] | None:
    """The node of a numpy scalar, or of torch's Size, dtype or device; None for anything else."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and RAW_ARRAYS.fullmatch(value.dtype.str):
        return {"numpy": [value.dtype.str, base64.b64encode(value.tobytes()).decode("ascii")]}
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    forms: dict[type, Any] = {torch.Size: list, torch.dtype: _dtype_name, torch.device: str}
    form = forms.get(type(value))
    return None if form is None else {f"torch.{type(value).__name__}": form(value)}


def is_node(value: Any) -> bool:
    """Whether `node_of` has a node for it."""
    return node_of(value) is not None


def tensor_of(stored: Any, body: Mapping[str, Any]) -> Any:
    """The tensor of a leaf, with the dtype, shape and strides that its node states.

    Args:
        stored: of the file's dtype and shape, contiguous; 1-d uint8 where the node states a dtype of its own.
        body: of the node.

    Raises:
        ValueError: the node states a dtype or strides that no tensor of a checkpoint has.
    """
    import torch

    tensor = stored
    if "dtype" in body:
        if body["dtype"] not in RAW_TENSORS:
            raise ValueError(f"unknown dtype {body['dtype']!r}")
        tensor = tensor.view(getattr(torch, body["dtype"])).reshape(body["shape"])
    stride = body.get("stride")
    if stride is None or list(tensor.stride()) == stride:
        return tensor
    if not is_dense(tensor.shape, stride):
        raise ValueError("the strides leave gaps")
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)


def array_of(stored: Any, body: Mapping[str, Any]) -> Any:
    """The array of a leaf, with the dtype, shape and memory order that its node states.

    Args:
        stored: of the file's dtype and shape, C-contiguous; 1-d uint8 where the node states a dtype of its own.
            What is no array of numpy was never written, and is as it was.
        body: of the node.

    Raises:
        ValueError: the node states a dtype that no array of a checkpoint has.
        StateError: that dtype needs a package that is missing.
    """
    import numpy as np

    array = stored
    if not isinstance(array, np.ndarray):
        return array
    if "dtype" in body:
        array = array.view(_numpy_dtype(body["dtype"])).reshape(body["shape"])
    return np.asfortranarray(array) if body.get("order") == "F" else array


def numpy_scalar(body: Sequence[str]) -> Any:
    """The numpy scalar of a node's dtype and bytes."""
    import numpy as np

    return np.frombuffer(base64.b64decode(body[1]), _numpy_dtype(body[0]), count=1)[0]


def torch_value(kind: str, body: Any) -> Any:
    """A `torch.Size`, `torch.dtype` or `torch.device`.

    Raises:
        TypeError: `body` is none of that kind.
    """
    import torch

    value = getattr(torch, body) if kind == "dtype" else getattr(torch, kind)(body)
    if not isinstance(value, getattr(torch, kind)):
        raise TypeError(f"{body!r} is no torch.{kind}")
    return value


def _numpy_dtype(name: str) -> Any:
    import numpy as np

    if name in NARROW:
        return narrow_type(name)
    if RAW_ARRAYS.fullmatch(name) is None:
        raise ValueError(f"unknown dtype {name!r}")
    return np.dtype(name)


def _dtype_name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
