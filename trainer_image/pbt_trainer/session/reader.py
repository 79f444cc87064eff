"""Which line of a script reads something: the innermost one that is neither a library's nor Python's own."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_OWN = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple(
    str(Path(path)) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_path(name))
)


def place_of_reader() -> str:
    """`train.py:31`: the file by its path from the script's folder where it lies there, else by its name."""
    frames = list(_outside())
    if not frames:
        return "an unknown place"
    frame = next((each for each in frames if not _is_library(each.f_code.co_filename)), frames[0])
    return f"{_named(frame.f_code.co_filename)}:{frame.f_lineno}"


def _outside() -> Iterator[FrameType]:
    """The frames outside of this package, from the innermost."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack reads source files
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OWN):
            yield frame
        frame = frame.f_back


def _is_library(file: str) -> bool:
    return file.startswith((*_LIBRARIES, "<"))


def _named(file: str) -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(main).absolute().parent if main else None
    path = Path(file).absolute()
    return str(path.relative_to(folder)) if folder is not None and path.is_relative_to(folder) else path.name
