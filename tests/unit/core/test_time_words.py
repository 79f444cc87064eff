"""Spans of time, for people."""

import pytest

from pbt_operator.core.status import Forecast, SecondsSpent
from pbt_operator.core.time_words import duration_text, forecast_text, spent_text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (4e6, "1,111 h 06 min")],
)
def test_durations(seconds, shown):
    assert duration_text(seconds) == shown


def test_what_time_went_to():
    spent = SecondsSpent(productive=150.0, discarded=20.0, waiting=10.0, starting=20.0)
    assert spent_text(spent) == "3 min 20 s: 75 % productive, 10 % discarded, 5 % waiting, 10 % starting"
    mostly = SecondsSpent(productive=0.4, starting=100.0)
    assert spent_text(mostly) == "1 min 40 s: <1 % productive, 0 % discarded, 0 % waiting, 100 % starting"
    assert spent_text(SecondsSpent()) == "0 s: 0 % productive, 0 % discarded, 0 % waiting, 0 % starting"


def test_what_is_left():
    assert forecast_text(Forecast(seconds=200)) == "about 3 min 20 s"
    assert forecast_text(Forecast(seconds=7200, gpu_hours=1.5)) == "about 2 h 00 min, 1.5 GPU hours"
