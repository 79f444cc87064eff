"""Whether a stored record is, byte for byte, what its writer would have written.

A record that this version wrote encodes to the same bytes again. One of a later version of the same format has fields
that this version doesn't know; one of an earlier version may lack some that have a default. Neither has both in one
object: then the name of a field was spoilt.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from pbt_contract.encoding import encode
from pbt_contract.text import quoted


def form_fault(record: msgspec.Struct, data: bytes) -> str | None:
    """What is wrong with the bytes of a record; None if nothing is.

    Args:
        record: as it was decoded.
        data: as it is stored.
    """
    written = encode(record)
    if written == data:
        return None
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not JSON throughout: some of what isn't read is malformed"
    differences = list(_differences(found, msgspec.json.decode(written)))
    for unknown, missing in differences:
        if unknown and missing:
            return f"it has no field {', '.join(missing)}, but {quoted(', '.join(unknown))}"
    if any(unknown for unknown, _ in differences):
        return None  # of a later version, which may write other bytes
    if msgspec.json.encode(found, order="sorted") + b"\n" != data:
        return (
            "its bytes are not those of a record: spacing, order, a field twice or a number in another form"
        )
    return None


def _differences(found: Any, known: Any) -> Iterator[tuple[list[str], list[str]]]:
    """For each object of a record, the names that this version doesn't know and those that it misses."""
    if isinstance(found, dict) and isinstance(known, dict):
        yield sorted(found.keys() - known.keys()), sorted(known.keys() - found.keys())
        for name in found.keys() & known.keys():
            yield from _differences(found[name], known[name])
    elif isinstance(found, list) and isinstance(known, list):
        for one, other in zip(found, known, strict=True):
            yield from _differences(one, other)
