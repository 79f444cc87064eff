"""The live table keeps its numbers readable on narrow terminals, and quotes nobody's control characters."""

import io

import pytest
from rich.console import Console

from pbt_operator.control.events import Event
from pbt_operator.runners.display import Lines, LiveTable, Row, View

LAST = (
    "exploit at 100: 0.1 is among the worst 2 of 8; copies member 3 (0.9)\x1b[31m and more and more and more"
)
ROWS = [
    Row(
        member,
        "training",
        100 * member,
        0.5 + member,
        {"lr": 0.000123456, "momentum": 0.9, "kind": "adamw"},
        LAST,
    )
    for member in range(40)
]
TIMES = ["time  2 min 00 s: 90 % productive, 5 % discarded, 3 % waiting, 2 % starting", "left  about 3 s"]
VIEW = View(name="digits", round=3, last_round=20, best=None, rows=ROWS, times=TIMES)


def drawn(width: int) -> str:
    stream = io.StringIO()
    table = LiveTable.open(Console(file=stream, width=width, height=60, force_terminal=False))
    table.tell(Event("Crashed", "member 1 crashed\x1b]0;title\x07", 1, warning=True))
    table.show(VIEW)
    table.close()
    return stream.getvalue()


@pytest.mark.parametrize("width", [70, 90, 130, 200])
def test_columns_of_numbers_are_never_squeezed(width):
    text = drawn(width)
    assert "member" in text
    assert "0.0001235" in text
    assert "training" in text
    assert max(map(len, text.splitlines())) <= width


def test_what_the_time_went_to_and_what_is_left_stand_below_the_head():
    assert [line.rstrip() for line in drawn(80).splitlines()[1:3]] == TIMES
    assert "2 % starting" in " ".join(drawn(60).split()), "it is wrapped, not cut"


def test_a_large_population_shows_its_first_members_and_counts_the_rest():
    text = drawn(130)
    assert "... and 8 more members" in text


def test_control_characters_do_not_reach_the_terminal(capsys):
    assert "\x1b" not in drawn(130)
    Lines().tell(Event("Crashed", "member 1\x1b[2J crashed\nPBT: all is well", warning=True))
    assert capsys.readouterr().out == "warning: member 1 [2J crashed PBT: all is well\n"
