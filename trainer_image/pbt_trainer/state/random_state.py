"""The process's random generators: Python's, numpy's and torch's, on the CPU and on CUDA devices.

A resume restores them, so that training continues as if it had not stopped; an exploit seeds them again, so that
two clones draw different numbers. Libraries that the script hasn't loaded are left alone.
"""

import hashlib
import random
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Generator(NamedTuple):
    """One source of random numbers."""

    get: Callable[[], Any]
    set: Callable[[Any], Any]


def generators() -> dict[str, Generator]:
    """The generators of the libraries that are loaded, by name."""
    found = {"python": Generator(random.getstate, random.setstate)}
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        found["numpy"] = Generator(numpy.random.get_state, numpy.random.set_state)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = Generator(torch.get_rng_state, torch.set_rng_state)
        if torch.cuda.is_initialized():
            found["cuda"] = Generator(torch.cuda.get_rng_state_all, _set_cuda)
    return found


def reseed(key: tuple[object, ...]) -> None:
    """Seeds every generator: the same key, the same numbers.

    Args:
        key: (seed, round, member, rank); Python's generator gets 256 bits of its hash, numpy's 32, torch's 64.
    """
    random.seed(_seed(key, "python", num_bytes=32))
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(_seed(key, "numpy", num_bytes=4))
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(_seed(key, "torch", num_bytes=8))


def seed_of(*key: object) -> int:
    """A number of 63 bits, as any library takes it for a seed: the same key, the same number."""
    return _seed(key, "rng", num_bytes=8) >> 1


def _seed(key: tuple[object, ...], purpose: str, *, num_bytes: int) -> int:
    text = "/".join(map(str, (*key, purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:num_bytes], "big")


def _set_cuda(states: list[Any]) -> None:
    torch: Any = sys.modules["torch"]
    for device, state in enumerate(states[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)
