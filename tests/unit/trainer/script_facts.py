"""Everything about the objects of a script that training could depend on, so that two scripts can be compared."""

from collections.abc import Iterator
from typing import Any

import torch

from unit.trainer.training import Objects


def facts(objects: Objects) -> Iterator[tuple[str, Any]]:
    """Everything about objects that training could depend on, as values that can be compared."""
    for name, value in objects.items():
        yield name, plain(value.state_dict())
        if not isinstance(value, torch.nn.Module):
            yield f"{name} beside its state", plain(attributes(value))


_UNSEEN = {
    "optimizer",
    "step",
    "_opt_called",
    "state",
    "param_groups",
    "lr_lambdas",
    "_scale_fn_ref",
    "inner",
}


def attributes(value: Any) -> dict[str, Any]:
    found = {
        key: item for key, item in vars(value).items() if key not in _UNSEEN and not key.endswith("_hooks")
    }
    defaults = found.get("defaults", {})
    if isinstance(
        defaults.get("lr"), torch.Tensor
    ):  # it is the very tensor of a group; torch's reload parts the two
        found["defaults"] = {**defaults, "lr": None}
    return {
        key: [attributes(part) for part in item] if key == "_schedulers" else item
        for key, item in found.items()
    }


def plain(value: Any) -> Any:
    """Bytes for tensors, so that values are equal where each bit is."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.detach().contiguous().numpy().tobytes())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value.hex()
    return repr(value)


def portable(objects: Objects) -> bytes:
    """The same for another process."""
    return "\n".join(f"{name}: {_in_order(fact)!r}" for name, fact in facts(objects)).encode()


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((str(key), _in_order(item)) for key, item in value.items())
    return [_in_order(item) for item in value] if isinstance(value, list) else value
