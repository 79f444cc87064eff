"""Host memory made ready for copies: touched before its first use, page-locked where a GPU reads or writes it."""

import ctypes
import mmap
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pbt_trainer.log import logger
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
    """Gives pages to a part of a writable mapping, without the interpreter's lock, which `mmap.madvise` would keep.

    Where the system can't (Linux can since 5.14), the pages come with the first copy.

    Args:
        memory: the mapping.
        start: of the part, in bytes; a multiple of the page size.
        length: of the part, in bytes.
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
        logger.warning(
            "a checkpoint is copied through pageable memory: cudaHostRegister gave error %d", error
        )
    return error == 0


def unpin(memory: Any) -> None:
    """Gives back memory that `pin` locked."""
    import torch

    torch.cuda.cudart().cudaHostUnregister(_place(memory)[0])


def wait(gpus: Iterable[Any]) -> None:
    """Waits for the copies that were started on these GPUs' current streams."""
    import torch

    for device in gpus:
        torch.cuda.current_stream(device).synchronize()


class LockedFile:
    """A safetensors file that the library has checked, in memory that a GPU reads by itself."""

    def __init__(self, file: MappedFile, *, locked: bool) -> None:
        """Use `open`.

        Args:
            file: the file, mapped to be read.
            locked: whether the pages of the mapping are locked.
        """
        self._file = file
        self._memory = file.memory
        self._address = _place(self._memory)[0]
        self._locked = locked

    @classmethod
    def open(cls, path: Path, *, device: Any) -> Self:
        """Maps a file, and locks the pages of the page cache themselves: nothing is copied.

        Args:
            path: of the file, which may be removed afterwards.
            device: a GPU that is in use.
        """
        file = MappedFile.open(path, access=mmap.ACCESS_READ)
        locked = threading.Event()

        def lock() -> None:
            if pin(file.memory, device=device, read_only=True):
                locked.set()

        locking = threading.Thread(target=lock)
        locking.start()
        locking.join()
        return cls(file, locked=locked.is_set())

    def tensor(self, name: str, like: Any) -> Any:
        """A tensor of the file, only to be copied from; the library's own where nothing is locked.

        Args:
            name: its key.
            like: the library's tensor, whose dtype and shape the result has.
        """
        if not self._locked or not like.numel():
            return like
        import torch

        begin, end = self._file.place(name)
        # By its address: torch warns of memory that can't be written, though only copies are made from it here.
        place = (ctypes.c_char * (end - begin)).from_address(self._address + begin)
        return torch.frombuffer(place, dtype=torch.uint8).view(like.dtype).view(like.shape)

    def close(self) -> None:
        """Gives the memory back, in a thread, so that training doesn't wait for it."""
        if self._locked:
            self._locked = False
            threading.Thread(target=unpin, args=(self._memory,), daemon=True).start()


def _place(memory: Any) -> tuple[int, int]:
    """Address and length in bytes of a buffer."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory)
    except TypeError:  # it can't be written
        import numpy as np

        return int(np.frombuffer(memory, dtype=np.uint8).ctypes.data), len(memory)
