"""Host memory made ready for copies: touched before its first use, page-locked where a GPU reads or writes it."""

import ctypes
import mmap
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pbt_trainer.exit import say
from pbt_trainer.state.mapped import MappedFile
from pbt_trainer.state.tensors import Leaf, is_tensor

_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, which Python doesn't name
_PORTABLE = 1  # cudaHostRegisterPortable: for every GPU of the process
_READ_ONLY = 8  # cudaHostRegisterReadOnly


def devices(leaves: Iterable[Leaf]) -> list[Any]:
    """The GPUs that hold some of the leaves."""
    found = {leaf.source.device: None for leaf in leaves if is_tensor(leaf.source) and leaf.source.is_cuda}
    return list(found)


def touch(memory: Any, start: int, length: int) -> None:
    """Gives pages to a part of a writable mapping, without the interpreter's lock, which madvise() would keep.

    Where the system can't (Linux can since 5.14), the pages come with the first copy.
    """
    if sys.platform == "linux":
        address = ctypes.c_void_p(_place(memory)[0] + start)
        ctypes.CDLL(None).madvise(address, ctypes.c_size_t(length), _POPULATE_WRITE)


def pin(memory: Any, *, device: Any, read_only: bool = False) -> bool:
    """Locks memory for copies from and to a GPU; False where the machine's limits don't allow that.

    Not to be called in the thread that trains: CUDA remembers a refusal for the thread's next call.

    Args:
        memory: a buffer, which must stay mapped until `unpin`.
        device: in use already, so that no context is made on another.
        read_only: whether the memory can't be written.
    """
    import torch

    address, length = _place(memory)
    flags = _PORTABLE | _READ_ONLY if read_only else _PORTABLE
    with torch.cuda.device(device):
        error = int(torch.cuda.cudart().cudaHostRegister(address, length, flags))
    if error:
        say(f"a checkpoint is copied through pageable memory: cudaHostRegister gave error {error}")
    return error == 0


def unpin(memory: Any) -> None:
    """Gives the memory of `pin` back."""
    import torch

    torch.cuda.cudart().cudaHostUnregister(_place(memory)[0])


def wait(gpus: Iterable[Any]) -> None:
    """Waits for the copies that were started on these GPUs' current streams."""
    import torch

    for device in gpus:
        torch.cuda.current_stream(device).synchronize()


class LockedFile:
    """A safetensors file that the library has checked, in memory that a GPU reads by itself."""

    def __init__(self, path: Path, *, device: Any) -> None:
        """Maps the file, and locks the pages of the page cache themselves: nothing is copied.

        Args:
            path: of the file, which may be removed afterwards.
            device: a GPU that is in use.
        """
        self._file = MappedFile(path, access=mmap.ACCESS_READ)
        self._memory = self._file.memory
        self._address = _place(self._memory)[0]
        self._device = device
        self._locked = False
        locking = threading.Thread(target=self._lock)
        locking.start()
        locking.join()

    def tensor(self, name: str, like: Any) -> Any:
        """A tensor of the file, only to be copied from; what the library gives for it where nothing is locked.

        Args:
            name: its key.
            like: the library's tensor, of the same type and shape.
        """
        if not self._locked or not like.numel():
            return like
        import torch

        begin, end = self._file.place(name)
        # By its address: torch warns of memory that can't be written, which nobody does here.
        place = (ctypes.c_char * (end - begin)).from_address(self._address + begin)
        return torch.frombuffer(place, dtype=torch.uint8).view(like.dtype).view(like.shape)

    def close(self) -> None:
        """Gives the memory back, in a thread: training need not wait for it."""
        if self._locked:
            self._locked = False
            threading.Thread(target=unpin, args=(self._memory,), daemon=True).start()

    def _lock(self) -> None:
        self._locked = pin(self._memory, device=self._device, read_only=True)


def _place(memory: Any) -> tuple[int, int]:
    """Address and length of a buffer."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory)
    except TypeError:  # it can't be written
        import numpy as np

        return int(np.frombuffer(memory, dtype=np.uint8).ctypes.data), len(memory)
