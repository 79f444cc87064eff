"""Bytes and short times as people write them."""

from pbt_operator.core.time_words import duration_text

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(num_bytes: int) -> str:
    """`512 bytes`, `4.1 kB` or `1.3 GB`."""
    size, unit = float(num_bytes), 0
    while size >= 999.5 and unit + 1 < len(_UNITS):
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 99.5 else f"{size:.1f} {_UNITS[unit]}"


def brief_text(seconds: float) -> str:
    """`0.04 ms`, `12 ms`, `1.4 s`, and from a minute on as all times: `3 min 20 s`."""
    if seconds >= 60:
        return duration_text(seconds)
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"
