"""Text of others made safe to show: terminals, logs and `kubectl` obey control characters.

What is quoted as data (names, values, lines of a log) is escaped, so that it can be told what it was. A sentence that
has to fit into one line (an Event, a condition, the live table) gets blanks instead.
"""

MAX_QUOTED = 200
ELLIPSIS = "…"


def escaped(text: str) -> str:
    r"""The text with everything that isn't printable, line ends included, written out: `\n`, `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def quoted(text: str, *, size: int = MAX_QUOTED) -> str:
    """What a message may quote: escaped, with dots in place of what is beyond `size` characters."""
    return escaped(text if len(text) <= size else f"{text[:size]}...")


def one_line(text: str) -> str:
    """The text with blanks in place of everything that isn't printable, line ends included."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def shortened(text: str, width: int) -> str:
    """The text, with an ellipsis at its end where it has more than `width` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + ELLIPSIS[:width]


def abridged(text: str, size: int) -> str:
    """The text, with an ellipsis in its middle where it has more than `size` characters.

    A message begins with where something is wrong, and often ends with what it is and what to do.
    """
    if len(text) <= size:
        return text
    tail = size // 2
    return text[: max(0, size - tail - 1)] + ELLIPSIS[:size] + text[len(text) - tail :]


def abridged_to_bytes(text: str, size: int) -> str:
    """The same for `size` bytes in UTF-8; no surrogates in it."""
    data, dots = text.encode(), ELLIPSIS.encode()
    if len(data) <= size:
        return text
    tail = (size - len(dots)) // 2
    head = size - len(dots) - tail
    return data[:head].decode(errors="ignore") + ELLIPSIS + data[len(data) - tail :].decode(errors="ignore")
