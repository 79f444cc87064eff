"""The copy of the state in host memory that the helper process uploads from.

Training waits for one copy of each tensor and for nothing else, so the layout of a safetensors file is
written here: the library's own writer wants every tensor contiguous on the CPU and joins them into one more
buffer or a file, all of it inside the training process. Reading, where the format is checked, is left to the
library. The memory is an anonymous file (not in /dev/shm, which has 64 MiB in a pod), whose descriptor the
helper gets. It is kept from one checkpoint to the next, and a thread touches it before the first one, so that
no checkpoint pays for page faults. Where tensors are on a GPU, that thread also locks the pages.

The file is 8 bytes with the header's length (little-endian), the header (JSON: dtype, shape and offsets of each leaf,
padded with blanks until the leaves begin at a multiple of 64 bytes), and then the bytes of the leaves in C order,
without gaps, widest elements first.
"""

import json
import mmap
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pbt_trainer.state import pinned
from pbt_trainer.state.array_likes import host_array
from pbt_trainer.state.tensors import Leaf, is_array, is_tensor

_HEADER_ALIGNMENT = 64  # the format asks for 8; the widest element has 16 bytes
_TOUCHED_AT_ONCE = 64 << 20


class Staging:
    """Memory shared with the helper process, laid out as one safetensors file.

    One checkpoint at a time: what is staged stays as it is until the next `stage`.
    """

    def __init__(self, fd: int) -> None:
        """Use `create`.

        Args:
            fd: the descriptor of an empty file, which `close` closes.
        """
        self._fd = fd
        self._memory: mmap.mmap | None = None
        self._length = self._prepared = 0
        self._pinned = False
        self._closed = False
        self._preparation: threading.Thread | None = None

    @classmethod
    def create(cls) -> Self:
        """Makes an empty file without a name."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("pbt-checkpoint"))
        with tempfile.TemporaryFile() as file:  # no Linux
            return cls(os.dup(file.fileno()))

    @property
    def fd(self) -> int:
        """The file's descriptor; the file is as long as what was staged last."""
        return self._fd

    def stage(self, leaves: Sequence[Leaf], *, aliases: Mapping[str, str] | None = None) -> int:
        """Copies the leaves, whatever device they are on; afterwards they may change.

        Args:
            leaves: tensors and arrays of any shape and memory order, with unique names.
            aliases: goes to the file's metadata (removed name: kept name), where the library's own
                `save_model` puts the names of tied weights.

        Returns:
            The file's length in bytes; 0 where there are no leaves.
        """
        if not leaves:
            return 0
        ordered, header, size = _layout(leaves, aliases or {})
        self._await_preparation()
        memory = self._resized(size)
        memory[: len(header)] = header
        offset = len(header)
        for leaf in ordered:
            if leaf.num_bytes:
                _copy(leaf, memory, offset, non_blocking=self._pinned)
            offset += leaf.num_bytes
        if self._pinned:
            pinned.wait(pinned.devices(ordered))
        return size

    def prepare(self, leaves: Sequence[Leaf], *, aliases: Mapping[str, str] | None = None) -> None:
        """Makes memory ready for such leaves while training continues; what was staged before is lost.

        Args:
            leaves: of the sizes that the next checkpoint will have.
            aliases: as for `stage`; they are part of the file's length.
        """
        _, _, size = _layout(leaves, aliases or {})
        if not leaves or self._preparation is not None or size == self._prepared:
            return
        memory = self._resized(size)
        self._prepared = size
        gpus = pinned.devices(leaves)
        self._preparation = threading.Thread(target=self._prepare, args=(memory, gpus), daemon=True)
        self._preparation.start()

    def close(self) -> None:
        """Frees the memory, unless another process still holds it."""
        self._closed = True
        self._await_preparation()
        self._unpin()
        self._memory = None
        os.close(self._fd)

    def _prepare(self, memory: mmap.mmap, gpus: Sequence[Any]) -> None:
        for start in range(0, len(memory), _TOUCHED_AT_ONCE):
            if self._closed:
                return
            pinned.touch(memory, start, min(_TOUCHED_AT_ONCE, len(memory) - start))
        if gpus and not self._closed:
            self._pinned = pinned.pin(memory, device=gpus[0])

    def _await_preparation(self) -> None:
        if self._preparation is not None:
            self._preparation.join()
            self._preparation = None

    def _resized(self, size: int) -> mmap.mmap:
        if self._memory is not None and size == self._length:
            return self._memory
        self._unpin()  # locked pages that a shorter file gave up are no longer the file's
        os.ftruncate(self._fd, size)
        self._length, self._prepared = size, 0
        if self._memory is None or len(self._memory) < size:
            self._memory = mmap.mmap(self._fd, size)
        return self._memory

    def _unpin(self) -> None:
        if self._pinned:
            self._pinned = False
            pinned.unpin(self._memory)


def _layout(leaves: Sequence[Leaf], aliases: Mapping[str, str]) -> tuple[list[Leaf], bytes, int]:
    """The leaves in the file's order, its header, and its length in bytes."""
    # The format allows no gaps, and vector instructions fault on a misaligned address: with the widest
    # elements first every offset is a multiple of the element's size.
    ordered = sorted(leaves, key=lambda leaf: -leaf.alignment)
    header = _header(ordered, aliases)
    return ordered, header, len(header) + sum(leaf.num_bytes for leaf in ordered)


def _header(leaves: Sequence[Leaf], aliases: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt", **aliases}}
    offset = 0
    for leaf in leaves:
        end = offset + leaf.num_bytes
        entries[leaf.name] = {"dtype": leaf.code, "shape": leaf.shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode("ascii")
    text += b" " * (-(8 + len(text)) % _HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _copy(leaf: Leaf, memory: mmap.mmap, offset: int, *, non_blocking: bool) -> None:
    """Copies a leaf, of its own dtype and shape, to `leaf.num_bytes` contiguous bytes from `offset` on."""
    source = leaf.source
    if not is_tensor(source):
        import numpy as np

        source = source if is_array(source) else host_array(source)
        array = np.frombuffer(memory, dtype=source.dtype, count=source.size, offset=offset)
        np.copyto(array.reshape(source.shape), source)
        return
    import torch

    target = torch.frombuffer(memory, dtype=torch.uint8, count=leaf.num_bytes, offset=offset)
    # Without locked pages the copy is done when this returns, whatever it is asked for.
    target.view(source.dtype).view(source.shape).copy_(source.detach(), non_blocking=non_blocking)
