"""A function as a file in a run's folder, from which the members load it (`pbt_trainer.function`)."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pbt_contract.errors import PbtError
from pbt_contract.records import Value
from pbt_operator.api.captured import captured, fingerprint
from pbt_trainer import function as launcher

NAME = "function.pickle"
MAX_BYTES = 10_000_000
"""Of what a function takes along. Data has a better place: a file that the function reads."""

INSTALL = "pip install '.[notebook]' in a checkout of pbt-operator"
Train = Callable[[Any], object]


class FunctionRefused(PbtError):
    """A function can't be given to the members; the message names the variable that is in the way, and the remedy."""


def command(file: Path) -> list[str]:
    """What runs the function of a file, with this very interpreter."""
    return [sys.executable, "-m", launcher.__name__, str(file)]


def packed(
    function: Train, *, hyperparameters: Mapping[str, Value], total_steps: int, interval_steps: int
) -> bytes:
    """The file's content.

    Args:
        function: is called with `run` in each member.
        hyperparameters: a value for each, of a run alone.
        total_steps: as of a run alone.
        interval_steps: likewise.

    Raises:
        FunctionRefused: it takes along what can't be written: a tensor of a GPU, an open file, or more than 10 MB.
    """
    sizes = {name: len(_pickled(value, name)) for name, value in captured(function)}
    largest = max(sizes, key=sizes.__getitem__, default=_called(function))
    data = _pickled(function, _called(function), largest=largest)
    header = launcher.Header(
        python=launcher.python_here(),
        path=[folder or str(Path.cwd()) for folder in sys.path],
        fingerprint=fingerprint(function),
        hyperparameters=dict(hyperparameters),
        total_steps=total_steps,
        interval_steps=interval_steps,
    )
    return msgspec.json.encode(header) + b"\n" + data


def write(file: Path, content: bytes) -> bool:
    """Puts the file in place of an earlier one; readable by this user alone.

    Returns:
        Whether there was one with another function.
    """
    before = _fingerprint_in(file)
    incoming = file.with_name(f".{file.name}.tmp")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    incoming.replace(file)
    return before is not None and before != _fingerprint_in(file)


def _fingerprint_in(file: Path) -> str | None:
    try:
        return launcher.read(str(file))[0].fingerprint
    except PbtError:
        return None


def _pickled(value: Any, name: str, *, largest: str | None = None) -> bytes:
    try:
        import cloudpickle
    except ModuleNotFoundError as error:
        raise FunctionRefused(f"a function is given to the members by cloudpickle: {INSTALL}") from error

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Says of what can't go along which variable it is in."""

        def reducer_override(self, obj: Any) -> Any:
            what = _stays_here(obj)
            if what is not None:
                raise FunctionRefused(f"{name} {what}")
            return super().reducer_override(obj)

    written = _Bounded(largest or name)
    try:
        Pickler(written).dump(value)
    except FunctionRefused:
        raise
    except Exception as error:  # whatever the value's own class raises
        raise FunctionRefused(
            f"{name} can't be written to a file: {error}; make it inside of the function"
        ) from error
    return written.getvalue()


class _Bounded(io.BytesIO):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MAX_BYTES:  # no gigabytes are copied just to be refused
            raise FunctionRefused(
                f"{self._name} takes more than {MAX_BYTES / 1e6:.0f} MB along, which is the most: write it to a file, "
                "and read that inside of the function"
            )
        return super().write(data)


def _stays_here(value: Any) -> str | None:
    """What is wrong with a value that no other process can have."""
    if isinstance(value, io.IOBase) and not isinstance(value, io.BytesIO | io.StringIO):
        if value in (sys.stdout, sys.stderr, sys.stdin):
            return None
        return "is an open file, which no other process has: open it inside of the function"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor) and value.device.type != "cpu":
        return f"is a tensor on {value.device}: move it to the CPU, or make it inside of the function"
    return None


def _called(function: Train) -> str:
    return getattr(function, "__name__", type(function).__name__)
