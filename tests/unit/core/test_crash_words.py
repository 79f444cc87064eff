"""What the end of a life is called."""

import pytest

from pbt_operator.core.crash_words import MAX_LAST_LINE, fault_of, last_line, last_words
from pbt_operator.core.end_record import End


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        ("Traceback\n\n  File\n  raise x\nValueError: x\n\n", "File | raise x | ValueError: x"),
        ("  File\n    f(x)\n    ~^^^\nValueError: x", "File | f(x) | ValueError: x"),
        ("boom\npbt: member 3, incarnation 2, from step 5: crashed: boom", "boom"),
        ("boom\nINFO:pbt:member 3, incarnation 2, from step 5: crashed: boom", "boom"),
        ('boom\n{"level": "INFO", "message": "member 3, incarnation 2, from step 5: crashed"}', "boom"),
        ("pbt: giving up on the store: gone", "pbt: giving up on the store: gone"),
    ],
)
def test_a_fault_is_told_by_the_last_lines_that_say_something(output, line):
    assert last_words(output) == line


def test_a_long_last_line_is_told_with_what_it_ends_with():
    found = last_words(f"giving up on the store: {'x' * 5000}: AccessDenied; grant trainers s3:GetObject")
    assert found.startswith("giving up on the store: x")
    assert found.endswith("AccessDenied; grant trainers s3:GetObject")
    assert len(found) == MAX_LAST_LINE


def test_an_end_without_words_says_so():
    end = End(member=0, incarnation=1, pod="p", exit_code=3)
    assert fault_of(end, has_record=False) == "ended with exit code 3: no output"


def test_the_last_of_its_lines_is_the_error_itself():
    words = last_words("  File x\n  raise y\nValueError: y")
    assert last_line(End(member=0, incarnation=1, pod="p", exit_code=1, message=words)) == "ValueError: y"
