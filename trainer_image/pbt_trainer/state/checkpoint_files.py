"""A checkpoint's two files as they are read: `state.json`, a tree by object, and `state.safetensors`."""

import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pbt_contract.encoding import check_format
from pbt_contract.errors import RecordRefused
from pbt_contract.records import Report
from pbt_contract.text import quoted
from pbt_trainer.state.codec import decode, loads
from pbt_trainer.state.mapped import MappedFile
from pbt_trainer.state.pinned import LockedFile
from pbt_trainer.state.structures import PLAIN

FORMAT = 2
"""The newest; a checkpoint says the oldest that can hold it (`Encoder.format`)."""
STATE, TENSORS = "state.json", "state.safetensors"
Described = list[list[tuple[str | None, list[int] | None]]]
"""An optimizer's parameters by group: the name and the shape, None where they aren't known."""
MAX_STATE_BYTES = 256 * 1024 * 1024  # tensors are elsewhere: more is an accident, or meant to exhaust memory


def has_state(report: Report) -> bool:
    """Whether a record's checkpoint holds state of tracked objects."""
    return any(file.name == STATE for file in report.files)


class Checkpoint:
    """The files in one folder; nothing in them can run code.

    Attributes:
        likes: of objects by name, the state and the options that they have now; what `state` and `built` return is like
            these where they are told nothing else.

    Every question raises `RecordRefused` where the files are missing or malformed, and `NewerFormat` where only a
    newer version can read them.
    """

    def __init__(self, folder: Path, *, gpu: Any = None) -> None:
        """Reads nothing yet: `with` does, or the first question.

        Args:
            folder: with the files.
            gpu: the device that most of the state goes to; None for the CPU.
        """
        self._folder = folder
        self._gpu = gpu
        self._locked: LockedFile | None = None
        self._mapped: MappedFile | None = None
        self._files = ExitStack()
        self._opened: dict[str, Any] = {}
        self.likes: dict[str, tuple[Any, Any]] = {}
        self._borrowed: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """The tracked objects in it."""
        return list(self._content["objects"])

    def kind(self, name: str) -> str:
        """What the object was: `module`, `optimizer`, `scheduler` or `object`."""
        return str(self._content["objects"][name]["kind"])

    def class_name(self, name: str) -> str:
        """The object's class, as `module.name`."""
        return str(self._content["objects"][name]["class"])

    def built(self, name: str) -> Any:
        """The options that its script had built it with."""
        _, like = self.likes.get(name, (PLAIN, PLAIN))
        return self._decode(self._content["objects"][name]["built"], copy=True, like=like)

    def state(self, name: str, *, copy: bool = True, like: Any = PLAIN) -> Any:
        """The object's state.

        Args:
            name: of the object.
            like: the state that the object has now: its named tuples and pytrees say of which classes those in the
                checkpoint are. By default they come back as dicts.
            copy: whether tensors may outlive the checkpoint. Otherwise they lie in the file itself and may only be
                copied from. Arrays may always be kept and changed: see `MappedFile.array`. Such a state is one and
                the same at each call.

        Raises:
            StateError: `like` has another form than the checkpoint.
        """
        if like is PLAIN:
            like, _ = self.likes.get(name, (PLAIN, PLAIN))
        if copy:
            return self._decode(self._content["objects"][name]["state"], copy=True, like=like)
        if name not in self._borrowed:
            self._borrowed[name] = self._decode(
                self._content["objects"][name]["state"], copy=False, like=like
            )
        return self._borrowed[name]

    def parameters(self, name: str) -> Described | None:
        """The names and shapes of an optimizer's parameters, by group; None where an older version wrote it."""
        found = self._content["objects"][name].get("parameters")
        if found is None:
            return None
        try:
            return [
                [(each, None if shape is None else list(shape)) for each, shape in group] for group in found
            ]
        except (TypeError, ValueError) as error:
            raise RecordRefused(f"{STATE}: the parameters of an optimizer are no names and shapes") from error

    @property
    def total_steps(self) -> int | None:
        """The number of steps that its script had been started for; None where an older version wrote it."""
        found = self._content.get("total_steps")
        return found if isinstance(found, int) else None

    def compare(self, name: str, like: Any) -> None:
        """Makes sure that the object's state can take its named tuples and pytrees from `like`; reads no tensors.

        Raises:
            StateError: `like` has another form.
        """
        decode(self._content["objects"][name]["state"], None, like=like)

    def outline(self, name: str) -> Any:
        """The object's state with None in place of tensors and arrays; reads none of them."""
        return decode(self._content["objects"][name]["state"], None)

    def random(self, names: set[str]) -> Iterator[tuple[str, Any]]:
        """The states of those random generators among `names` that it holds."""
        for name, tree in self._content["random"].items():
            if name in names:
                yield name, self._decode(tree, copy=True)

    def __enter__(self) -> Self:
        _ = self._content
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; nothing that may only be copied from is of use afterwards."""
        self._borrowed.clear()
        self._files.close()

    @cached_property
    def _content(self) -> dict[str, Any]:
        path = self._folder / STATE
        try:
            if path.stat().st_size > MAX_STATE_BYTES:
                raise RecordRefused(f"{STATE} is larger than {MAX_STATE_BYTES} bytes")
            content = loads(path.read_bytes())
        except FileNotFoundError:
            raise RecordRefused(f"the checkpoint has no {STATE}") from None
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise RecordRefused(f"{STATE} names no format; this version reads formats 1 to {FORMAT}")
        check_format(content["format"], known=min(max(content["format"], 1), FORMAT), key=STATE)
        objects, parts = content.get("objects"), {"class", "kind", "state", "built"}
        if not isinstance(objects, dict) or not isinstance(content.get("random"), dict):
            raise RecordRefused(f"{STATE} lacks the objects or the random state")
        if not all(isinstance(item, dict) and parts <= item.keys() for item in objects.values()):
            raise RecordRefused(f"{STATE}: an object lacks one of {', '.join(sorted(parts))}")
        return content

    def _decode(self, tree: object, *, copy: bool, like: Any = PLAIN) -> Any:
        def read(leaf: str, kind: str) -> Any:
            stored = self._stored(leaf, kind)
            if kind == "array":
                return stored
            return stored.clone() if copy else self._for_gpu(leaf, stored)

        return decode(tree, read, like=like)

    def _stored(self, leaf: str, kind: str) -> Any:
        from safetensors import SafetensorError, safe_open

        try:
            if kind not in self._opened:
                file = safe_open(self._folder / TENSORS, framework="pt" if kind == "tensor" else "np")
                self._opened[kind] = self._files.enter_context(file)
            found = self._array(leaf) if kind == "array" else None
            return self._opened[kind].get_tensor(leaf) if found is None else found
        except (OSError, SafetensorError) as error:
            raise RecordRefused(f"{TENSORS}: {quoted(str(error))}") from error

    def _array(self, leaf: str) -> Any:
        # Not the library's, which is a copy: its pages take most of the time where memory is new to the process.
        if self._mapped is None:
            self._mapped = MappedFile.open(self._folder / TENSORS, access=mmap.ACCESS_COPY)
        return self._mapped.array(leaf)

    def _for_gpu(self, leaf: str, stored: Any) -> Any:
        if self._gpu is None:
            return stored
        if self._locked is None:
            self._locked = LockedFile.open(self._folder / TENSORS, device=self._gpu)
            self._files.callback(self._locked.close)
        return self._locked.tensor(leaf, stored)
