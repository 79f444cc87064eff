"""How a file is sent to an object store: whole, or in parts that grow with it."""

MIB = 1024 * 1024
AT_ONCE = 8
"""Parts of a file that are on their way at the same time."""


def part_size(size: int) -> int:
    """Bytes of a part; a file that is smaller is sent whole. Larger ones for the sake of the request rate."""
    return 64 * MIB if size >= 256 * MIB else 8 * MIB


def requests_of(size: int) -> int:
    """How many requests it takes to store a file: one, or one for each part and two around them."""
    part = part_size(size)
    return 1 if size < part else 2 + -(-size // part)
