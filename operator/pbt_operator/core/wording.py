"""How a message about a manifest words a value and a choice."""

from collections.abc import Iterable, Mapping
from typing import Any

from pbt_contract.text import quoted

MAX_SHOWN = 60


def shorten(text: str) -> str:
    """The text as a message about a manifest quotes it."""
    return quoted(text, size=MAX_SHOWN)


def shown(value: Any) -> str:
    """A value as a message names it."""
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge number"
    return "empty" if value is None else shorten(str(value).lower().removesuffix(".0"))


def all_of(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def any_of(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
