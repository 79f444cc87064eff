"""The part of a model that trains, for `track`: checkpoints without the weights that are frozen.

What is left out must be in the process that takes a checkpoint over, so a fingerprint of each frozen parameter goes
along: SHA-256 of its type, shape and values.
"""

import ctypes
import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pbt_contract.errors import StateError, UsageError
from pbt_trainer.state.tracked_object import plain_names

_CHUNK_BYTES = 64 << 20
_THREADS = 8
_NAMED_AT_MOST = 3


def trainable(model: Any) -> "Trainable":
    """An object for `track` that keeps what trains of a model: `run.track(model=pbt_trainer.trainable(model))`.

    It keeps the parameters that require gradients, those that were trained at any time since (unfrozen later, or frozen
    again), and all buffers of the model's `state_dict()`. Of the other parameters it keeps fingerprints: a process with
    another base model refuses the checkpoint.

    Args:
        model: a module of torch with its base weights loaded, of any wrapper; it may be moved to a device later. A
            write to a frozen parameter's `.data` isn't noticed.

    Raises:
        UsageError: it is no module.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise UsageError(
            f"trainable({type(model).__name__}): only a torch.nn.Module has parts that don't train"
        )
    return Trainable(model)


class Trainable:
    """Tracks what `trainable` was given; see there."""

    def __init__(self, model: Any) -> None:
        """Use `trainable`."""
        self._model = model
        self._kept: set[str] = set()
        self._seen: dict[str, tuple[int, int]] = {}
        self._digests: dict[str, str] = {}
        self._look()

    @property
    def model(self) -> Any:
        """The whole model."""
        return self._model

    def state_dict(self) -> dict[str, Any]:
        """What is kept, by name, and fingerprints of the other parameters."""
        self._look()
        state, left_out = self._model.state_dict(), self._left_out()
        names = plain_names(state)
        return {
            "state": {plain: state[name] for name, plain in names.items() if name not in left_out},
            "fingerprints": {names[name]: self._digests[name] for name in left_out if name in names},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes the kept ones over, into the tensors that are there.

        Raises:
            StateError: what the checkpoint left out differs here, or it is of another model.
        """
        self.check(state)
        own = self._own_names()
        self._model.load_state_dict(
            {own[name]: value for name, value in state["state"].items()}, strict=False
        )
        self._kept |= {own[name] for name in state["state"]} & self._parameters().keys()
        self._look()

    def check(self, state: dict[str, Any]) -> None:
        """Makes sure that the model can take a state over; changes nothing.

        Raises:
            StateError: it can't, as `load_state_dict` says.
        """
        values, left_out, own = state["state"], state["fingerprints"], self._own_names()
        if odd := own.keys() ^ (values.keys() | left_out.keys()):
            raise StateError(f"The checkpoint is of a model with other parameters: {_some(odd)}")
        self._look()
        trained = [own[name] for name in left_out if own[name] in self._kept]
        now = self._digests | _digests_of(self._parameters(), trained)
        if differing := [name for name, digest in left_out.items() if now.get(own[name]) != digest]:
            raise StateError(
                "The checkpoint holds only what was trained, and here other weights lie below it: "
                f"{_some(differing)}. Load the same base model before track(); one that is made of random numbers "
                "needs the same seed in each member, or is tracked whole"
            )
        live = self._model.state_dict()
        unlike = [name for name, value in values.items() if _shape(live[own[name]]) != _shape(value)]
        if unlike:
            raise StateError(f"The checkpoint's parameters have other shapes: {_some(unlike)}")

    def _own_names(self) -> dict[str, str]:
        """The name in the model's own state, by that without the wrappers' parts."""
        return {plain: name for name, plain in plain_names(self._model.state_dict()).items()}

    def _parameters(self) -> dict[str, Any]:
        return dict(self._model.named_parameters(remove_duplicate=False))

    def _look(self) -> None:
        """Notices which parameters are trainable, or were changed since the last look."""
        parameters = self._parameters()
        places = {name: (each.data_ptr(), each._version) for name, each in parameters.items()}  # noqa: SLF001
        self._kept |= {
            name for name, each in parameters.items() if each.requires_grad or each.grad is not None
        }
        moved = [
            name for name, place in places.items() if name not in self._kept and self._seen.get(name) != place
        ]
        # What was moved to a device is as it was; what was trained in between isn't.
        for name, digest in _digests_of(parameters, moved).items():
            if self._digests.setdefault(name, digest) != digest:
                self._kept.add(name)
        self._seen = places

    def _left_out(self) -> list[str]:
        """The parameters that aren't kept, under no name."""
        parameters = self._parameters()
        kept = {id(each) for name, each in parameters.items() if name in self._kept}
        return [name for name, each in parameters.items() if id(each) not in kept]


def _digests_of(parameters: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    from concurrent.futures import (
        ThreadPoolExecutor,
    )  # on first use: it takes a tenth of the import of this package

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        return dict(zip(names, threads.map(lambda name: _digest(name, parameters[name]), names), strict=True))


def _digest(name: str, parameter: Any) -> str:
    torch: Any = sys.modules["torch"]
    if parameter.device.type == "meta":
        raise StateError(f"{name} has no values yet: load the base model before track()")
    digest = hashlib.sha256(f"{parameter.dtype} {list(parameter.shape)} ".encode())
    values = parameter.detach().as_subclass(torch.Tensor).contiguous().flatten().view(torch.uint8)
    for start in range(0, len(values), _CHUNK_BYTES):
        part = values[start : start + _CHUNK_BYTES].cpu()
        digest.update((ctypes.c_char * len(part)).from_address(part.data_ptr()))
    return digest.hexdigest()[:32]


def _shape(value: Any) -> Any:
    return getattr(value, "shape", None)


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    more = len(found) - _NAMED_AT_MOST
    return ", ".join(found[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
