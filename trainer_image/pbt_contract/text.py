"""Text of others made safe to show: terminals, logs and `kubectl` obey control characters.

What is quoted as data (names, values, lines of a log) is escaped, so that it can be told what it was. A sentence that
has to fit into one line (an Event, a condition, the live table) gets blanks instead.
"""

MAX_QUOTED = 200
ELLIPSIS = "…"


def escaped(text: str) -> str:
    r"""The text with everything that isn't printable, line ends included, written out: `\n`, `\x1b`, `\u202e`."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def quoted(text: str, *, size: int = MAX_QUOTED) -> str:
    """What a message may quote: escaped, with dots in place of what is beyond `size` characters."""
    return escaped(text if len(text) <= size else f"{text[:size]}...")


def one_line(text: str) -> str:
    """The text with blanks in place of everything that isn't printable, line ends included."""
    return "".join(c if c.isprintable() else " " for c in text)


def shortened(text: str, width: int) -> str:
    """The text, with an ellipsis at its end where it has more than `width` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + ELLIPSIS[:width]


def shortened_to_bytes(text: str, size: int) -> str:
    """The text, with an ellipsis at its end where it has more than `size` bytes in UTF-8; no surrogates in it."""
    data = text.encode()
    if len(data) <= size:
        return text
    return data[: size - len(ELLIPSIS.encode())].decode(errors="ignore") + ELLIPSIS
