"""What hostile manifests, records and trainers write: texts and values that have broken other programs."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\x00\x7f"
"""Clears a terminal, renames its window, colours it, hides what was printed before."""

MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{7*7}}"
SMUGGLED = "\nWARNING forged: a line of its own\u2028and another\u202e"
TEXTS = [
    "", " ", ESCAPES, MARKUP, SMUGGLED, "../../etc/passwd", "/etc/passwd", "..", ".", "a/../b", "a\\..\\b", "%2e%2e/x",
    "a" * 100_000, "\ud800", "\u0000", "\ufeff", "\u202edigits", "\u0440aypal", "e\u0301", "$(rm -rf /)", "`id`",
    "$(PBT_LOCATION)", "{0.__class__}", "%s%n", "(a+)+$", "^.*$", "nan", "1e400", "0x10", "yes", "null", "true",
    "-1", "__proto__", "constructor", "__class__", "PBT_LOCATION", "=cmd|' /C calc'!A0", "!!python/object:os.system",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40, 0.5, -0.0, 5e-324, 1.7e308, -1.7e308,
    [], {}, [[]], {"": {}}, [None], {"a": 1},
]  # fmt: skip
JUNK: st.SearchStrategy[Any] = st.sampled_from(VALUES) | st.sampled_from(TEXTS)


def nested(depth: int) -> Any:
    """Mappings in mappings."""
    tree: Any = 1
    for _ in range(depth):
        tree = {"a": tree}
    return tree


def paths(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of everything in a tree of JSON, the tree itself left out."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, inner in parts:
        found += [(*path, key), *paths(inner, (*path, key))]
    return found


@st.composite
def spoilt(draw: st.DrawFn, tree: Any, *, changes: int = 3) -> Any:
    """The tree with a few of its parts replaced, taken out, doubled or added to."""
    tree = deepcopy(tree)
    for _ in range(draw(st.integers(1, changes))):
        places = paths(tree)
        if not places:
            return tree
        *parents, last = draw(st.sampled_from(places))
        home = tree
        for part in parents:
            home = home[part]
        match draw(st.sampled_from(["replace", "replace", "remove", "add", "deepen"])):
            case "replace":
                home[last] = deepcopy(draw(JUNK))
            case "remove":
                del home[last]
            case "add" if isinstance(home, dict):
                home[draw(st.sampled_from(TEXTS))] = deepcopy(draw(JUNK))
            case "add":
                home.extend([deepcopy(home[last])] * draw(st.sampled_from([1, 1000])))
            case _:
                home[last] = nested(draw(st.sampled_from([60, 200])))
    return tree


def assert_plain(text: str) -> None:
    """Nothing in it that a terminal or a log would obey, and no line that isn't the program's own."""
    wrong = {c for c in text if not (c.isprintable() or c == "\n")}
    assert not wrong, f"{wrong} in {text[:300]!r}"
    assert "\nWARNING forged" not in text
