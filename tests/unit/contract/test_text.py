"""Text of others is made safe to show: by escapes where it is quoted, by blanks where it is a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.text import abridged, abridged_to_bytes, escaped, one_line, quoted, shortened

HOSTILE = "a\x1b[2J\n\u202e\u2028\ud800\x9b31m z"


@given(st.text())
def test_what_is_printable_stays_and_everything_else_is_escaped(anything):
    shown = escaped(anything)
    assert shown.isprintable()
    assert escaped(shown) == shown
    if anything.isprintable():
        assert shown == anything


@given(st.text())
def test_one_line_is_as_long_as_before_and_can_be_printed(anything):
    line = one_line(anything)
    assert line.isprintable()
    assert len(line) == len(anything)
    if anything.isprintable():
        assert line == anything


def test_escape_sequences_line_ends_and_changes_of_direction_are_neutralized():
    assert escaped(HOSTILE) == r"a\x1b[2J\n\u202e\u2028\ud800\x9b31m z"
    assert one_line(HOSTILE) == "a [2J     31m z"


@given(st.text(), st.integers(1, 10))
def test_a_quote_is_bounded_and_no_escape_in_it_is_cut_in_half(anything, size):
    shown = quoted(anything, size=size)
    assert shown.isprintable()
    assert shown == escaped(anything[:size]) + ("..." if len(anything) > size else "")


@pytest.mark.parametrize(("width", "text"), [(10, "0123456789"), (5, "0123…"), (1, "…"), (0, "")])
def test_what_is_shortened_ends_in_an_ellipsis(width, text):
    assert shortened("0123456789", width) == text


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(3, 40))
def test_bytes_are_counted_where_the_reader_counts_bytes(anything, size):
    found = abridged_to_bytes(anything, size)
    assert len(found.encode()) <= size
    assert found == anything or "…" in found


@given(st.text(), st.integers(0, 40))
def test_what_is_abridged_begins_and_ends_as_it_did(anything, size):
    found = abridged(anything, size)
    assert len(found) <= size or found == anything
    if len(anything) > size > 0:
        head, _, tail = found.partition("…")
        assert anything.startswith(head)
        assert anything.endswith(tail)
        assert len(found) == size


def test_the_remedy_at_the_end_of_a_long_message_stays():
    told = f"member 3: {'x' * 5000}; correct the bucket's name"
    for found in (abridged(told, 100), abridged_to_bytes(told, 100)):
        assert found.startswith("member 3: x")
        assert found.endswith("x; correct the bucket's name")
