"""A safetensors file that the library has checked, in memory: what is in it is read where it lies."""

import json
import mmap
from pathlib import Path
from typing import Any

from pbt_trainer.state.tensors import array_type


class MappedFile:
    """The file's content, and where each leaf lies in it."""

    def __init__(self, path: Path, *, access: int) -> None:
        """Maps it.

        Args:
            path: of the file, which may be removed afterwards but not be changed.
            access: `mmap.ACCESS_READ`, or `mmap.ACCESS_COPY` where what is read may be written to.
        """
        with path.open("rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, access=access)
        self._start = 8 + int.from_bytes(self.memory[:8], "little")
        self._header: dict[str, Any] = json.loads(self.memory[8 : self._start])

    def place(self, name: str) -> tuple[int, int]:
        """Where a leaf begins and ends.

        Raises:
            KeyError: there is none of this name.
        """
        begin, end = self._header[name]["data_offsets"]
        return self._start + begin, self._start + end

    def array(self, name: str) -> Any:
        """A leaf as a numpy array in the file's own pages; None where numpy can't read it there.

        With `mmap.ACCESS_COPY` it may be kept and written to: a page that is written to becomes the process's own, and
        the mapping lasts as long as the last array in it.
        """
        import numpy as np

        if name not in self._header:
            return None
        begin, end = self.place(name)
        told = array_type(self._header[name]["dtype"])
        if told is None or begin == end or begin % np.dtype(told).alignment:
            return None
        dtype = np.dtype(told)
        found = np.frombuffer(self.memory, dtype, count=(end - begin) // dtype.itemsize, offset=begin)
        return found.reshape(self._header[name]["shape"])
