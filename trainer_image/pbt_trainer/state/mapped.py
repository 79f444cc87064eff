"""A safetensors file that the library has checked, mapped into memory and read in place."""

import json
import mmap
from pathlib import Path
from typing import Any, Self

from pbt_trainer.state.tensors import array_type


class MappedFile:
    """The file's content, and where each leaf lies in it.

    Attributes:
        memory: all bytes of the file.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        """Use `open`, unless the file is mapped already."""
        self.memory = memory
        self._start = 8 + int.from_bytes(memory[:8], "little")
        self._header: dict[str, Any] = json.loads(memory[8 : self._start])

    @classmethod
    def open(cls, path: Path, *, access: int) -> Self:
        """Maps a file.

        Args:
            path: of the file, which may be removed afterwards but not be changed.
            access: `mmap.ACCESS_READ`, or `mmap.ACCESS_COPY` where what is read may be written to.
        """
        with path.open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=access))

    def place(self, name: str) -> tuple[int, int]:
        """The offsets in bytes at which a leaf begins and ends.

        Raises:
            KeyError: there is none of this name.
        """
        begin, end = self._header[name]["data_offsets"]
        return self._start + begin, self._start + end

    def array(self, name: str) -> Any:
        """A leaf as a numpy array in the file's own pages, of the dtype and shape that the file states.

        With `mmap.ACCESS_COPY` it may be kept and written to: a page that is written to becomes the process's own, and
        the mapping lasts as long as the last array in it.

        Returns:
            The array; None where numpy can't read the leaf there: it has no such dtype, or the leaf is misaligned or
            not in the file.

        Raises:
            StateError: numpy has the dtype from a package that is missing.
        """
        import numpy as np

        if name not in self._header:
            return None
        begin, end = self.place(name)
        dtype = array_type(self._header[name]["dtype"])
        if dtype is None or begin % dtype.alignment:
            return None
        if begin == end:
            return np.empty(self._header[name]["shape"], dtype)
        found = np.frombuffer(self.memory, dtype, count=(end - begin) // dtype.itemsize, offset=begin)
        return found.reshape(self._header[name]["shape"])
