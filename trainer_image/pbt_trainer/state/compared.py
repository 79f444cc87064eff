"""Whether tracked objects are what a checkpoint says, bit for bit: what `pbt check` asks after a restore."""

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pbt_trainer.state.checkpoint_files import STATE, TENSORS, Checkpoint
from pbt_trainer.state.random_state import generators
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tensors import is_array, is_tensor
from pbt_trainer.state.tracked import Tracked


def differences(tracked: Tracked, folder: Path, *, newborn: bool, without: Collection[str] = ()) -> list[str]:
    """Where the objects first differ from a checkpoint, each named by its way: `model.0.weight`.

    Args:
        tracked: just restored.
        folder: with the checkpoint's files.
        newborn: whether hyperparameters may have changed: then options, schedules and random state differ.
        without: names of objects to leave out.

    Raises:
        StateError: an object holds something that a checkpoint can't keep.
        RecordRefused: the checkpoint is malformed.
    """
    with tempfile.TemporaryDirectory() as written:
        _write(tracked, Path(written))
        with Checkpoint(folder) as was, Checkpoint(Path(written)) as found:
            pairs = [
                (name, _state(was, name, newborn=newborn), _state(found, name, newborn=newborn))
                for name in was.names
                if name not in without
            ]
            if not newborn:
                known = set(generators())
                pairs.append(("random", dict(was.random(known)), dict(found.random(known))))
            each = (_first(name, before, now) for name, before, now in pairs)
            return [difference for difference in each if difference is not None]


def _write(tracked: Tracked, folder: Path) -> None:
    """A checkpoint as the helper process would store it."""
    staging = Staging.create()
    try:
        captured = tracked.capture(staging)
        (folder / STATE).write_bytes(captured.tree)
        if captured.num_bytes:
            with open(os.dup(staging.fd), "rb") as source, (folder / TENSORS).open("wb") as target:  # noqa: PTH123
                source.seek(0)
                shutil.copyfileobj(source, target)
    finally:
        staging.close()


def _state(checkpoint: Checkpoint, name: str, *, newborn: bool) -> Any:
    if name not in checkpoint.names:
        return None
    kind = checkpoint.kind(name)
    if newborn and kind == "scheduler":
        return None
    state = checkpoint.state(name, copy=False)
    return state.get("state") if newborn and kind == "optimizer" else state


def _first(path: str, was: Any, found: Any) -> str | None:
    """The way to the first difference; None where there is none."""
    if isinstance(was, Mapping) and isinstance(found, Mapping):
        if list(was) != list(found):
            return path
        return next(filter(None, (_first(f"{path}.{key}", was[key], found[key]) for key in was)), None)
    if _is_row(was) and _is_row(found):
        if len(was) != len(found):
            return path
        pairs = enumerate(zip(was, found, strict=True))
        return next(filter(None, (_first(f"{path}.{index}", *pair) for index, pair in pairs)), None)
    return None if _same(was, found) else path


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _same(was: Any, found: Any) -> bool:
    if type(was) is not type(found):
        return False
    if is_tensor(was) or is_array(was):
        form = (was.dtype, was.shape) == (found.dtype, found.shape)
        return form and (_bits(was) == _bits(found) if is_tensor(was) else was.tobytes() == found.tobytes())
    return bool(was == found) or (was != was and found != found)  # noqa: PLR0124 - NaN


def _bits(tensor: Any) -> bytes:
    import torch

    return bytes(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
