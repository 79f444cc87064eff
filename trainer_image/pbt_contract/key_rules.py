"""Which strings are keys: plain names joined by slashes, which can't lead out of a population's location."""

import re
from functools import lru_cache

from pbt_contract.errors import KeyRefused

MAX_KEY_LENGTH = 512

_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._=@+,-]{1,255}")


@lru_cache(maxsize=4096)  # the same ones are asked for again and again
def check_key(key: str) -> str:
    """Returns `key` if it can't leave the population's location.

    Raises:
        KeyRefused: it is empty, absolute, too long, hidden (a leading dot), or has a segment that isn't a
            plain name of at most 255 characters (`..` among them).
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise KeyRefused(f"a key has 1 to {MAX_KEY_LENGTH} characters, this one has {len(key)}")
    for segment in key.split("/"):
        if _SEGMENT.fullmatch(segment) is None:
            raise KeyRefused(f"key {key!r}: {segment!r} is not a plain name")
    if key.startswith("."):
        raise KeyRefused(f"key {key!r} begins with a dot: such names at the top are no part of the layout")
    return key


def is_key(text: str) -> bool:
    """Whether `check_key` accepts it. What else lies in a location is left alone."""
    try:
        check_key(text)
    except KeyRefused:
        return False
    return True


def check_prefix(prefix: str) -> str:
    """Returns `prefix` if it is empty or a key followed by a slash.

    Raises:
        KeyRefused: it isn't.
    """
    if prefix:
        check_key(prefix.removesuffix("/"))
        if not prefix.endswith("/"):
            raise KeyRefused(f"prefix {prefix!r} doesn't end in a slash")
    return prefix
